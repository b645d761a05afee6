#!/bin/sh
# Federated credentials for the workloads that migrate. Run it again at any time.
set -eu
ISSUER=https://issuer.example/
SUFFIX=$(printf %s "$ISSUER" | openssl dgst -sha256 -r | cut -c-8)

az identity federated-credential create --subscription 00000000-0000-4000-8000-000000000000 --resource-group shop --identity-name cart \
  --name "shop-cart-$SUFFIX" --issuer "$ISSUER" \
  --subject system:serviceaccount:shop:cart \
  --audiences api://AzureADTokenExchange

az identity federated-credential create --subscription 00000000-0000-4000-8000-000000000000 --resource-group shop --identity-name cart \
  --name "shop-orders-$SUFFIX" --issuer "$ISSUER" \
  --subject system:serviceaccount:shop:orders \
  --audiences api://AzureADTokenExchange

az identity federated-credential create --subscription 00000000-0000-4000-8000-000000000000 --resource-group shop --identity-name cart \
  --name "shop-prices-$SUFFIX" --issuer "$ISSUER" \
  --subject system:serviceaccount:shop:prices \
  --audiences api://AzureADTokenExchange

az identity federated-credential create --subscription 00000000-0000-4000-8000-000000000000 --resource-group shop --identity-name cart \
  --name "shop-search-$SUFFIX" --issuer "$ISSUER" \
  --subject system:serviceaccount:shop:search \
  --audiences api://AzureADTokenExchange

az identity federated-credential create --subscription 00000000-0000-4000-8000-000000000000 --resource-group shop --identity-name orders \
  --name "legacy-alone-$SUFFIX" --issuer "$ISSUER" \
  --subject system:serviceaccount:legacy:alone \
  --audiences api://AzureADTokenExchange

az identity federated-credential create --subscription 00000000-0000-4000-8000-000000000000 --resource-group shop --identity-name orders \
  --name "legacy-import-$SUFFIX" --issuer "$ISSUER" \
  --subject system:serviceaccount:legacy:import \
  --audiences api://AzureADTokenExchange

az identity federated-credential create --subscription 00000000-0000-4000-8000-000000000000 --resource-group shop --identity-name orders \
  --name "shop-orders-statefulset-$SUFFIX" --issuer "$ISSUER" \
  --subject system:serviceaccount:shop:orders-statefulset \
  --audiences api://AzureADTokenExchange

az identity federated-credential create --subscription 00000000-0000-4000-8000-000000000000 --resource-group shop --identity-name orders \
  --name "shop-search-$SUFFIX" --issuer "$ISSUER" \
  --subject system:serviceaccount:shop:search \
  --audiences api://AzureADTokenExchange
