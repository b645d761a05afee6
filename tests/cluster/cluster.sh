#!/usr/bin/env bash
# A real Kubernetes of one node, as root on one machine, in network, mount and PID namespaces of its own.
#
#   cluster.sh up                  start it, building what is missing, and wait until it can be used
#   cluster.sh down                end it; nothing is left on the host but what was built
#   cluster.sh import ARCHIVE...   give container images to it; there is no registry
#   cluster.sh kubectl ARGS...     kubectl, as an administrator
#   cluster.sh ctr ARGS...         containerd's client
#   cluster.sh ns COMMAND...       run something inside: it reaches pods, Services and names of both,
#                                  pods reach what it serves on 10.88.77.1, and `down` ends it
#   cluster.sh missing             say in one line why it cannot run here; nothing where it can
#
# Inside nobody reaches the host or the internet. "ADDRESS NAME..." appended to $RUN/hosts names a host.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
HERE=$(dirname "$(readlink -f "$0")")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/azwi-sidecar
RUN=/var/lib/azwi-cluster # short: unix sockets live in it
BIN=$CACHE/kubernetes-$(cat "$HERE"/src/* | sha256sum | cut -c-16)
CGROUP=azwi-cluster # every pod's cgroups are below it
NODE=node NODE_IP=10.88.77.1 POD_NET=10.88.77.0/24 SERVICE_NET=10.0.0.0/24
ISSUER=https://issuer.example
API=https://127.0.0.1:6443
GATES=ClusterTrustBundle=true,ClusterTrustBundleProjection=true # beta, and off by default
PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl coredns)
# Private ones are mounted over these fixed paths of kubelet, containerd and the CNI plugins.
FIXED_PATHS=(/run/containerd /var/lib/cni /var/lib/kubelet /var/log/containers)

say() { printf 'cluster: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null; }

missing() {
  [ "$(uname -s)" = Linux ] || { echo "needs Linux"; return; }
  [ "$(id -u)" = 0 ] || { echo "needs root"; return; }
  [ -x "$BIN/kube" ] || has go || { echo "needs Go, to build Kubernetes"; return; }
  has apt-get || { echo "needs Debian's packages"; return; }
  unshare --net --mount --pid --fork true 2>/dev/null || { echo "may not make namespaces"; return; }
}

packages() {
  local wanted=()
  need() { has "$1" || wanted+=("$2"); }
  need etcd etcd-server; need containerd containerd; need runc runc; need buildah buildah
  need debootstrap debootstrap; need nft nftables; need iptables iptables; need ip iproute2
  need openssl openssl; need curl curl; need nsenter util-linux
  [ -x /usr/lib/cni/bridge ] || wanted+=(containernetworking-plugins)
  [ ${#wanted[@]} = 0 ] && return
  say "Installing Debian packages: ${wanted[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends --no-remove "${wanted[@]}" >/dev/null
}

build() {
  [ -x "$BIN/kube" ] && return
  say "Building Kubernetes (6 to 12 minutes, once)"
  local version=k8s.io/component-base/version part
  rm -rf "$CACHE"/kubernetes-*
  mkdir -p "$BIN"
  (cd "$HERE/src" && CGO_ENABLED=0 nice go build -trimpath -buildvcs=false -o "$BIN/kube.part" \
    -ldflags "-s -w -X $version.gitVersion=v1.34.4 -X $version.gitMajor=1 -X $version.gitMinor=34" .)
  for part in "${PROGRAMS[@]}"; do ln -sf kube "$BIN/$part"; done
  mv "$BIN/kube.part" "$BIN/kube"
}

# certificate NAME SUBJECT USAGE [ALTERNATIVE NAMES]: a key, and a certificate by the cluster's CA.
certificate() {
  local extensions="extendedKeyUsage=$3${4:+\nsubjectAltName=$4}"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -subj "$2" 2>/dev/null |
    openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile <(printf '%b' "$extensions") \
      -out "$1.crt" 2>/dev/null
}

# client NAME SUBJECT: a certificate and the kubeconfig that uses it.
client() {
  certificate "$1" "$2" clientAuth
  cat >"$RUN/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: it, cluster: {server: "$API", certificate-authority: $RUN/pki/ca.crt}}]
users: [{name: me, user: {client-certificate: $RUN/pki/$1.crt, client-key: $RUN/pki/$1.key}}]
contexts: [{name: it, context: {cluster: it, user: me}}]
current-context: it
END
}

certificates() {
  cd "$RUN/pki"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30 \
    -subj /CN=cluster 2>/dev/null
  openssl genrsa -out accounts.key 2048 2>/dev/null
  openssl rsa -in accounts.key -pubout -out accounts.pub 2>/dev/null
  certificate apiserver /CN=kube-apiserver serverAuth \
    "IP:127.0.0.1,IP:$NODE_IP,IP:${SERVICE_NET%.*}.1,DNS:kubernetes.default.svc,DNS:kubernetes.default"
  certificate kubelet-server "/O=system:nodes/CN=system:node:$NODE" serverAuth "IP:$NODE_IP"
  client admin /O=system:masters/CN=admin
  client kubelet "/O=system:nodes/CN=system:node:$NODE"
  client controllers /CN=system:kube-controller-manager
  client scheduler /CN=system:kube-scheduler
  client proxy /CN=system:kube-proxy
}

configure() {
  mkdir -p "$RUN"/{log,etcd,cni,kubelet,pods,sysctl,containerd,private}
  mkdir -m 700 "$RUN/pki"
  (certificates)
  echo "nameserver $NODE_IP" >"$RUN/resolv.conf"
  : >"$RUN/hosts"
  # The node is one bridge, which is its pods' default route.
  cat >"$RUN/cni/pods.conflist" <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "pods", "isGateway": true, "isDefaultGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_NET", "gateway": "$NODE_IP"}]]}}]}
END
  # A sandbox's first process is this image's sleep. Neither -998 as OOM score nor huge pages are everywhere.
  cat >"$RUN/containerd.toml" <<END
version = 2
root = "$RUN/containerd/root"
state = "$RUN/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$RUN/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/base:latest"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  cni = {bin_dir = "/usr/lib/cni", conf_dir = "$RUN/cni"}
  containerd = {snapshotter = "overlayfs"}
END
  # Our own names, then the cluster's; nothing else exists.
  cat >"$RUN/Corefile" <<END
. {
  bind $NODE_IP
  errors
  ready 127.0.0.1:8181
  hosts $RUN/hosts {
    ttl 1
    reload 1s
    fallthrough
  }
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $RUN/admin.kubeconfig
    ttl 1
    fallthrough in-addr.arpa ip6.arpa
  }
  template ANY ANY {
    rcode NXDOMAIN
  }
}
END
  # Limits of conntrack are the whole machine's: 0 leaves them alone.
  cat >"$RUN/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: $RUN/proxy.kubeconfig}
hostnameOverride: $NODE
clusterCIDR: $POD_NET
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 100ms}
END
  # Every 10 s volumes are looked at again: a token's rotation is seen that soon.
  cat >"$RUN/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
healthzPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $RUN/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $RUN/pki/kubelet-server.crt
tlsPrivateKeyFile: $RUN/pki/kubelet-server.key
containerRuntimeEndpoint: unix://$RUN/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
featureGates: {${GATES//=/: }}
failSwapOn: false
makeIPTablesUtilChains: false
podLogsDir: $RUN/pods
volumePluginDir: $RUN/kubelet/plugins
resolvConf: $RUN/resolv.conf
clusterDNS: [$NODE_IP]
clusterDomain: cluster.local
syncFrequency: 10s
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
END
}

private_mounts() {
  local path setting
  for path in "${FIXED_PATHS[@]}"; do
    mkdir "$RUN/private/${path//\//-}"
    mount --bind "$RUN/private/${path//\//-}" "$path"
  done
  mount --bind "$RUN/resolv.conf" /etc/resolv.conf
  # The kubelet insists on these settings of the whole machine: show it files that say so already.
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    path=${setting%=*}
    echo "${setting#*=}" >"$RUN/sysctl/${path##*/}"
    mount --bind "$RUN/sysctl/${path##*/}" "/proc/sys/$path"
  done
}

network() {
  local setting
  ip link set lo up
  # A bridge's packets pass nftables too: else the answer of a Service's pod to its neighbour stays untranslated.
  for setting in ipv4/ip_forward bridge/bridge-nf-call-iptables bridge/bridge-nf-call-ip6tables; do
    echo 1 >"/proc/sys/net/$setting"
  done
  # With an address of its own: else it changes with its ports, and pods lose their gateway for seconds.
  ip link add pods address 02:00:0a:58:4d:01 type bridge
  ip addr add "$NODE_IP/${POD_NET#*/}" dev pods
  ip link set pods up
  ip route add "$SERVICE_NET" dev pods # the node's own calls of Services; kube-proxy redirects them on the way out
}

start() { "$@" >"$RUN/log/${1##*/}.log" 2>&1 & }
answers() { curl -sf -o /dev/null "$@"; }
until_done() { until "$@" >/dev/null 2>&1; do sleep 0.1; done; }

# PID 1 of the namespaces: when it dies, the kernel ends everything in them.
init() {
  cd /
  private_mounts
  network
  start etcd --data-dir "$RUN/etcd" --unsafe-no-fsync
  start "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address="$NODE_IP" \
    --tls-cert-file="$RUN/pki/apiserver.crt" --tls-private-key-file="$RUN/pki/apiserver.key" \
    --client-ca-file="$RUN/pki/ca.crt" --kubelet-certificate-authority="$RUN/pki/ca.crt" \
    --kubelet-client-certificate="$RUN/pki/admin.crt" --kubelet-client-key="$RUN/pki/admin.key" \
    --kubelet-preferred-address-types=InternalIP --service-cluster-ip-range="$SERVICE_NET" \
    --service-account-issuer="$ISSUER" --service-account-signing-key-file="$RUN/pki/accounts.key" \
    --service-account-key-file="$RUN/pki/accounts.pub" --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --feature-gates="$GATES" --runtime-config=certificates.k8s.io/v1beta1/clustertrustbundles=true
  start containerd -c "$RUN/containerd.toml"
  until_done answers --cacert "$RUN/pki/ca.crt" --cert "$RUN/pki/admin.crt" --key "$RUN/pki/admin.key" "$API/readyz"
  start "$BIN/kube-controller-manager" --kubeconfig="$RUN/controllers.kubeconfig" --bind-address=127.0.0.1 \
    --authentication-kubeconfig="$RUN/controllers.kubeconfig" --cert-dir="$RUN/pki" --leader-elect=false \
    --authorization-kubeconfig="$RUN/controllers.kubeconfig" --use-service-account-credentials=true \
    --service-account-private-key-file="$RUN/pki/accounts.key" --root-ca-file="$RUN/pki/ca.crt"
  start "$BIN/kube-scheduler" --kubeconfig="$RUN/scheduler.kubeconfig" --bind-address=127.0.0.1 \
    --authentication-kubeconfig="$RUN/scheduler.kubeconfig" --cert-dir="$RUN/pki" --leader-elect=false \
    --authorization-kubeconfig="$RUN/scheduler.kubeconfig"
  until_done import "$("$HERE/images.sh" base)"
  start "$BIN/kubelet" --config="$RUN/kubelet.yaml" --kubeconfig="$RUN/kubelet.kubeconfig" \
    --root-dir="$RUN/kubelet" --hostname-override="$NODE" --node-ip="$NODE_IP"
  start "$BIN/coredns" -conf "$RUN/Corefile"
  start "$BIN/kube-proxy" --config="$RUN/proxy.yaml"
  until_done answers http://127.0.0.1:8181/ready
  until_done answers http://127.0.0.1:10256/healthz
  touch "$RUN/services-ready"
  while :; do wait -n || true; sleep 0.2; done # reap what is re-parented to us
}

ctr() { command ctr --address "$RUN/containerd.sock" --namespace k8s.io "$@"; }
import() { local file; for file; do ctr images import "$file" >/dev/null; done; }
first_process() { cat "/proc/$(cat "$RUN/unshare.pid")/task/"*/children 2>/dev/null | tr -d ' '; }
# nsenter waits outside the PID namespace: with it ends what it started.
inside() { exec nsenter -t "$(first_process)" -n -m -p -W "$PWD" -- setpriv --pdeathsig KILL "$@"; }
kubectl() { KUBECONFIG=$RUN/admin.kubeconfig inside "$BIN/kubectl" "$@"; }

# On cgroup v1 each controller has a hierarchy of its own.
cgroups() { if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo /sys/fs/cgroup/; else ls -d /sys/fs/cgroup/*/; fi; }

make_cgroups() {
  local root file
  for root in $(cgroups); do
    mkdir -p "$root$CGROUP"
    for file in cpuset.cpus cpuset.mems; do # a new one's are empty in v1
      [ ! -e "$root$file" ] || cat "$root$file" >"$root$CGROUP/$file"
    done
  done
}

is_ready() {
  [ -e "$RUN/services-ready" ] && (kubectl get serviceaccount/default configmap/kube-root-ca.crt) &&
    (kubectl wait --for=condition=Ready "node/$NODE" --timeout=1s)
}

up() {
  local why start
  why=$(missing); [ -z "$why" ] || die "$why"
  [ ! -e "$RUN" ] || die "$RUN exists: a cluster is up; \"make cluster-down\" ends it"
  packages
  build
  "$HERE/images.sh" base >/dev/null
  mkdir "$RUN"
  configure
  make_cgroups
  mkdir -p "${FIXED_PATHS[@]}"
  setsid unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc \
    "$HERE/cluster.sh" __init >"$RUN/log/init.log" 2>&1 </dev/null &
  echo $! >"$RUN/unshare.pid"
  start=$SECONDS
  until is_ready >/dev/null 2>&1; do
    kill -0 "$(cat "$RUN/unshare.pid")" 2>/dev/null && [ $((SECONDS - start)) -lt 120 ] || {
      tail -n 5 "$RUN"/log/*.log >&2
      down
      die "did not become ready"
    }
    sleep 0.2
  done
}

down() {
  [ -e "$RUN" ] || return 0
  local pid root
  pid=$(first_process || true)
  if [ -n "$pid" ] && grep -qz __init "/proc/$pid/cmdline"; then
    kill -KILL "$pid" # the kernel ends every process of the namespaces, then their mounts
    while [ -e "/proc/$pid" ]; do sleep 0.1; done
  fi
  for root in $(cgroups); do # the kernel lets go of the last processes a moment later
    for _ in {1..50}; do
      [ -d "$root$CGROUP" ] || break
      find "$root$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
  done
  rmdir "${FIXED_PATHS[@]}" 2>/dev/null || true
  rm -rf --one-file-system "$RUN"
}

case ${1:-} in
  up | down | missing) "$1" ;;
  import | kubectl | ctr) "$@" ;;
  ns) shift; inside "$@" ;;
  __init) init ;;
  *) sed -n '2,/^set /p' "$0" | sed '$d; s/^# \?//'; exit 2 ;;
esac
