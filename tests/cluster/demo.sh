#!/usr/bin/env bash
# From nothing to an unchanged app with a token, in a real Kubernetes, which stays up to be played with.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
ISSUER=https://issuer.example # of cluster.sh
TENANT=72f988bf-0000-4000-8000-2d7cd011db47 CLIENT=c11e47c1-1e47-4c11-8e47-c11e47c11e47
ENTRA=entra.entra.svc.cluster.local
URL='http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net'
cluster() { tests/cluster/cluster.sh "$@"; }
kubectl() { cluster kubectl "$@"; }
helm() { cluster ns "$(tests/manifests/tools.sh helm3)" --kubeconfig /var/lib/azwi-cluster/admin.kubeconfig "$@"; }
say() { printf '\n%s● %s%s\n' "${BOLD:-}" "$*" "${PLAIN:-}"; }
show() { printf '  $ %s\n' "$*"; "$@" | sed 's/^/  /'; }
[ ! -t 1 ] || { BOLD=$'\e[1m' PLAIN=$'\e[0m'; }

why=$(cluster missing)
[ -z "$why" ] || { echo "No cluster here: this machine $why." >&2; exit 1; }
# Not `| grep -q`: it ends at the first line, which breaks the pipe of whoever writes the second.
if [ -e /var/lib/azwi-cluster ] && [ -n "$(kubectl get namespace azwi-sidecar-system entra --ignore-not-found -o name)" ]; then
  echo 'The cluster that is up has been used already: end it first with "make cluster-down".' >&2
  exit 1
fi

say "A Kubernetes of one node, in namespaces of its own on this machine"
[ -e /var/lib/azwi-cluster ] || cluster up
archives=$(tests/cluster/images.sh azwi-proxy azwi-proxy-init azwi-webhook azwi-emulator app)
cluster import $archives
show kubectl get nodes

say "Entra ID: the emulator, which trusts this cluster's own service account tokens"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/ca.key" -out "$folder/ca.pem" \
  -days 2 -subj /CN=demo -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign 2>/dev/null
cat >"$folder/registrations.json" <<END
{"clients": [{"tenantId": "$TENANT", "clientId": "$CLIENT"}],
 "credentials": [{"tenantId": "$TENANT", "clientId": "$CLIENT", "issuer": "$ISSUER",
                  "subject": "system:serviceaccount:default:app"}],
 "issuers": [{"issuer": "$ISSUER", "jwks": $(kubectl get --raw /openid/v1/jwks)}]}
END
kubectl create namespace entra >/dev/null
for name in registrations.json ca.pem ca.key; do
  kubectl -n entra create secret generic "${name%.*}-${name##*.}" --from-file="$name=/dev/stdin" <"$folder/$name" >/dev/null
done
kubectl -n entra apply -f - >/dev/null <<END
apiVersion: v1
kind: Service
metadata: {name: entra}
spec: {selector: {app: entra}, ports: [{port: 443, targetPort: 8443}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: entra}
spec:
  selector: {matchLabels: {app: entra}}
  template:
    metadata: {labels: {app: entra}}
    spec:
      containers:
        - name: emulator
          image: localhost/azwi-emulator:latest
          imagePullPolicy: IfNotPresent
          env:
            - {name: AZWI_EMULATOR_PUBLIC_HOST, value: $ENTRA}
            - {name: AZWI_EMULATOR_REGISTRATIONS, value: /etc/entra/registrations.json}
            - {name: AZWI_EMULATOR_CA_FILE, value: /etc/entra/ca.pem}
            - {name: AZWI_EMULATOR_CA_KEY_FILE, value: /etc/entra/ca.key}
          readinessProbe: {tcpSocket: {port: 8443}, periodSeconds: 1}
          volumeMounts: [{name: config, mountPath: /etc/entra}, {name: tmp, mountPath: /tmp}]
      volumes:
        - {name: tmp, emptyDir: {}}
        - name: config
          projected:
            sources:
              - {secret: {name: registrations-json}}
              - {secret: {name: ca-pem}}
              - {secret: {name: ca-key}}
END
show kubectl -n entra rollout status deployment/entra --timeout=90s

say "The webhook, from its chart"
kubectl create namespace azwi-sidecar-system >/dev/null
kubectl label namespace azwi-sidecar-system pod-security.kubernetes.io/enforce=restricted >/dev/null
helm install azwi-sidecar "$PWD/manifests/chart" --namespace azwi-sidecar-system --wait --values - >/dev/null <<END
azureTenantID: $TENANT
azureAuthorityHost: https://$ENTRA/
image: {repository: localhost/azwi-webhook, tag: latest}
proxy:
  env: [{name: SSL_CERT_FILE, value: /ca/ca.pem}]
  extraVolumes: [{name: ca, configMap: {name: private-ca}}]
  extraVolumeMounts: [{name: ca, mountPath: /ca, readOnly: true}]
END
show kubectl -n azwi-sidecar-system get pods

say "A service account with its identity, and an app that was written for a VM: one label, one annotation"
kubectl create configmap private-ca --from-file=ca.pem=/dev/stdin <"$folder/ca.pem" >/dev/null
tee "$folder/app.yaml" <<END | sed 's/^/  /'
apiVersion: v1
kind: ServiceAccount
metadata:
  name: app
  annotations:
    azure.workload.identity/client-id: $CLIENT
---
apiVersion: v1
kind: Pod
metadata:
  name: app
  labels:
    azure.workload.identity/use: "true"
  annotations:
    azure.workload.identity/inject-proxy-sidecar: "true"
spec:
  serviceAccountName: app
  containers:
    - name: app
      image: localhost/app:latest
      imagePullPolicy: IfNotPresent
      command: [sleep, infinity]
END
kubectl apply -f - <"$folder/app.yaml" >/dev/null
show kubectl wait pod/app --for=condition=Ready --timeout=90s
show kubectl get pod app -o 'jsonpath={range .spec.initContainers[*]}{.name}{" "}{.image}{"\n"}{end}'

say "The app asks as on any VM"
printf "  $ curl -H 'Metadata: true' '%s'\n" "$URL"
answer=$(kubectl exec app -- curl -sS --fail-with-body -H 'Metadata: true' "$URL")
printf '  %s\n' "$(sed -E 's/("access_token":"[^"]{20})[^"]*/\1…/' <<<"$answer")"
printf '  the claims of its token:\n'
.venv/bin/python - "$answer" <<'END'
import base64, json, sys
payload = json.loads(sys.argv[1])["access_token"].split(".")[1]
claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
for name in ("iss", "aud", "appid", "tid"):
    print(f"    {name}: {claims[name]}")
END

say "The cluster is yours"
cat <<'END'
  tests/cluster/cluster.sh kubectl get pods -A
  tests/cluster/cluster.sh kubectl exec -it app -- sh
  make cluster-down
END
