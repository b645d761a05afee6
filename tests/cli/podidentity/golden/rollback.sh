#!/bin/sh
# Takes the migration back: workloads first, then their service accounts.
set -u
# job/import: delete it and create it as it was.
# pod/alone: delete it and create it as it was.
kubectl --namespace shop patch cronjob/orders --type=merge '--patch={"spec":{"jobTemplate":{"spec":{"template":{"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/inject-proxy-sidecar":null,"azure.workload.identity/proxy-only":null,"azure.workload.identity/identities":null}},"spec":{"serviceAccountName":"backend","serviceAccount":"backend"}}}}}}'
kubectl --namespace shop patch deployment/cart --type=merge '--patch={"spec":{"template":{"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/inject-proxy-sidecar":null,"azure.workload.identity/proxy-only":null,"azure.workload.identity/identities":null}}}}}'
kubectl --namespace shop patch deployment/prices --type=merge '--patch={"spec":{"template":{"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/inject-proxy-sidecar":null,"azure.workload.identity/proxy-only":null,"azure.workload.identity/identities":null}},"spec":{"serviceAccountName":"default","serviceAccount":"default"}}}}'
kubectl --namespace shop patch deployment/search --type=merge '--patch={"spec":{"template":{"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/inject-proxy-sidecar":null,"azure.workload.identity/proxy-only":null,"azure.workload.identity/identities":null}}}}}'
kubectl --namespace shop patch statefulset/orders --type=merge '--patch={"spec":{"template":{"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/inject-proxy-sidecar":null,"azure.workload.identity/proxy-only":null,"azure.workload.identity/identities":null}},"spec":{"serviceAccountName":"backend","serviceAccount":"backend"}}}}'
kubectl --namespace legacy patch serviceaccount/import --type=merge '--patch={"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/client-id":null,"azure.workload.identity/service-account-token-expiration":null}}}'
kubectl --namespace legacy patch serviceaccount/alone --type=merge '--patch={"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/client-id":null,"azure.workload.identity/service-account-token-expiration":null}}}'
kubectl --namespace shop delete serviceaccount/orders --ignore-not-found
kubectl --namespace shop patch serviceaccount/cart --type=merge '--patch={"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/client-id":null,"azure.workload.identity/service-account-token-expiration":null}}}'
kubectl --namespace shop delete serviceaccount/prices --ignore-not-found
kubectl --namespace shop patch serviceaccount/search --type=merge '--patch={"metadata":{"labels":{"azure.workload.identity/use":null},"annotations":{"azure.workload.identity/service-account-token-expiration":null}}}'
kubectl --namespace shop delete serviceaccount/orders-statefulset --ignore-not-found
