#!/usr/bin/env bash
# End-to-end tests on a real Kubernetes, made from package registries alone; see CONTRIBUTING.md.
#
#   run.sh                 both tiers
#   run.sh control-plane   etcd, kube-apiserver and kube-controller-manager; needs Go, no root
#   run.sh cluster         a whole node with containers; needs Go, root and Debian's packages
#
# What cannot run here is skipped with one line that says why. Binaries are built once and kept in
# ~/.cache/k8s-testbed under a name that is a hash of what they are built from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
testbed=test/e2e/testbed
tier=${1:-all}

skip() { echo "skipped: end-to-end tests ($tier), $1"; exit 0; }

command -v go >/dev/null || [ -n "${TESTBED_BIN:-}" ] || ls ~/.cache/k8s-testbed/*/.done-* >/dev/null 2>&1 || skip 'since there is no Go to build Kubernetes with'
command -v openssl >/dev/null || skip 'since there is no openssl'

wanted=control-plane
packages=(runc containernetworking-plugins iptables iproute2 buildah busybox-static openssl curl unzip procps)
if [ "$tier" != control-plane ]; then
  missing() { for p in "${packages[@]}"; do dpkg -s "$p" >/dev/null 2>&1 || echo "$p"; done; }
  if [ "$(id -u)" != 0 ]; then
    [ "$tier" = cluster ] && skip 'since a node needs root'
    echo 'skipped: the cluster tier, since a node needs root'
    tier=control-plane
  elif [ -n "$(missing)" ] && ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $(missing); } >/dev/null 2>&1; then
    [ "$tier" = cluster ] && skip "since these packages are missing: $(missing | tr '\n' ' ')"
    echo "skipped: the cluster tier, since these packages are missing: $(missing | tr '\n' ' ')"
    tier=control-plane
  else
    wanted=node
  fi
fi

export PATH=$PWD/node_modules/.bin:$PATH
npm run --silent setup
# A build clears dist: an executable there is made again, if that is what is tested.
npm run --silent "build${CONJUR_AGENT_PROGRAM:+:executable}" >/dev/null
TESTBED_BIN=$("$testbed/build.sh" "$wanted")
export TESTBED_BIN PATH=$TESTBED_BIN:$PATH
export E2E_TIER=$tier
case $tier in
  cluster) exec vitest run --config .config/e2e.config.ts test/e2e/cluster ;;
  control-plane) exec vitest run --config .config/e2e.config.ts --exclude 'test/e2e/cluster*' ;;
  *) exec vitest run --config .config/e2e.config.ts ;;
esac
