#!/usr/bin/env bash
# Installs the outside programs that some tests compare with, where that is possible; says what will be skipped where not.
set -euo pipefail

# program:package
wanted=(
    tshark:tshark capinfos:wireshark-common chromium:chromium tcpdump:tcpdump tcpreplay:tcpreplay nft:nftables ip:iproute2 ethtool:ethtool
    ipset:ipset squid:squid named-checkzone:bind9-utils unbound-checkconf:unbound ssh-keygen:openssh-client
    tinyproxy:tinyproxy dnsmasq:dnsmasq-base curl:curl
)
export PATH="$PATH:/usr/sbin:/sbin"

missing() {
    for pair in "${wanted[@]}"; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
    done
}

packages=$(missing)
[ -n "$packages" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing for the tests:" $packages
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null 2>&1 || true
    for package in $packages; do  # one by one: a package that this release lacks must not keep out the others
        apt-get install -qq -y --no-install-recommends "$package" >/dev/null 2>&1 || true
    done
fi
packages=$(missing)
[ -z "$packages" ] || echo "not here:" $packages "- the tests that need them will be skipped (sudo apt-get install" $packages")"
