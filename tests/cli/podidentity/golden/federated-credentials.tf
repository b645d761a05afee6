variable "issuer" {
  description = "Issuer of the cluster's service account tokens"
  type        = string
  default     = "https://issuer.example/"
}

resource "azurerm_federated_identity_credential" "w_shop_cart_cart" {
  name                = "shop-cart-${substr(sha256(var.issuer), 0, 8)}"
  resource_group_name = "shop"
  parent_id           = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
  issuer              = var.issuer
  subject             = "system:serviceaccount:shop:cart"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "w_shop_orders_cart" {
  name                = "shop-orders-${substr(sha256(var.issuer), 0, 8)}"
  resource_group_name = "shop"
  parent_id           = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
  issuer              = var.issuer
  subject             = "system:serviceaccount:shop:orders"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "w_shop_prices_cart" {
  name                = "shop-prices-${substr(sha256(var.issuer), 0, 8)}"
  resource_group_name = "shop"
  parent_id           = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
  issuer              = var.issuer
  subject             = "system:serviceaccount:shop:prices"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "w_shop_search_cart" {
  name                = "shop-search-${substr(sha256(var.issuer), 0, 8)}"
  resource_group_name = "shop"
  parent_id           = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
  issuer              = var.issuer
  subject             = "system:serviceaccount:shop:search"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "w_legacy_alone_orders" {
  name                = "legacy-alone-${substr(sha256(var.issuer), 0, 8)}"
  resource_group_name = "shop"
  parent_id           = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders"
  issuer              = var.issuer
  subject             = "system:serviceaccount:legacy:alone"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "w_legacy_import_orders" {
  name                = "legacy-import-${substr(sha256(var.issuer), 0, 8)}"
  resource_group_name = "shop"
  parent_id           = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders"
  issuer              = var.issuer
  subject             = "system:serviceaccount:legacy:import"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "w_shop_orders_statefulset_orders" {
  name                = "shop-orders-statefulset-${substr(sha256(var.issuer), 0, 8)}"
  resource_group_name = "shop"
  parent_id           = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders"
  issuer              = var.issuer
  subject             = "system:serviceaccount:shop:orders-statefulset"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_federated_identity_credential" "w_shop_search_orders" {
  name                = "shop-search-${substr(sha256(var.issuer), 0, 8)}"
  resource_group_name = "shop"
  parent_id           = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/orders"
  issuer              = var.issuer
  subject             = "system:serviceaccount:shop:search"
  audience            = ["api://AzureADTokenExchange"]
}
