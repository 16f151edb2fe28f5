#!/bin/sh
# What the fuller tests use, on Debian as root.  Elsewhere those tests say that they did not run.
# Nothing is left running: no service may start while these packages are installed.
set -eu
PACKAGES="netconfd libyang2-tools tshark frr frr-pythontools iproute2 nftables clang libbpf1 libbpf-dev linux-libc-dev uftp udpcast libnorm1 libisal2 nginx-light chromium systemd"
for package in $PACKAGES; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="${missing:-} $package"
done
[ -n "${missing:-}" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "deps: not installed (needs Debian and root):$missing"
    exit 0
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ apt-get update -q && apt-get install -q -y --no-install-recommends $missing; } >/dev/null 2>&1 ||
    echo "deps: could not install:$missing"
case "$missing " in *" frr "*) # its package asks for a start at the next boot: the tests run it themselves
    systemctl disable frr >/dev/null 2>&1 || update-rc.d frr disable >/dev/null 2>&1 || : ;;
esac
