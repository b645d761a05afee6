{{/*
What cannot work, or would have no effect, is told before anything is applied. What the schema can tell it tells.
*/}}
{{- define "azwi.refusals" -}}
{{- $custom := .Values.customTokenEndpoint -}}
{{- $certificates := .Values.certificates -}}
{{- if ne (empty $custom.annotationSuffix) (empty $custom.audience) -}}
{{- fail "customTokenEndpoint.annotationSuffix and customTokenEndpoint.audience go together: set both, or neither." -}}
{{- end -}}
{{- if gt (len (compact (list $custom.caData $custom.caConfigMapName $custom.caCTBSignerName))) 1 -}}
{{- fail "Set one of customTokenEndpoint.caData, .caConfigMapName and .caCTBSignerName: the token proxy has one CA." -}}
{{- end -}}
{{- if and $custom.caCTBLabelSelector (not $custom.caCTBSignerName) -}}
{{- fail "customTokenEndpoint.caCTBLabelSelector chooses among a signer's bundles: set customTokenEndpoint.caCTBSignerName." -}}
{{- end -}}
{{- if has $custom.audience (list "api://AzureADTokenExchange" "api://AzureADTokenExchangeUSGov" "api://AzureADTokenExchangeChina") -}}
{{- fail "customTokenEndpoint.audience is Entra ID's own: set it to that of the token proxy." -}}
{{- end -}}
{{- if and $custom.annotationSuffix (not $custom.tokenProxy) -}}
{{- fail "Pods with the annotation would be refused: set customTokenEndpoint.tokenProxy to its URL." -}}
{{- end -}}
{{- if and (not $custom.annotationSuffix) (compact (list $custom.tokenProxy $custom.sniName $custom.caData $custom.caConfigMapName $custom.caCTBSignerName)) -}}
{{- fail "No pod could ask for the token proxy: set customTokenEndpoint.annotationSuffix and .audience." -}}
{{- end -}}
{{- $volumes := list -}}
{{- range .Values.proxy.extraVolumes }}{{ $volumes = append $volumes .name }}{{ end -}}
{{- range .Values.proxy.extraVolumeMounts -}}
{{- if not (has .name $volumes) -}}
{{- fail (printf "proxy.extraVolumeMounts mounts %s, which proxy.extraVolumes does not have: add it there." .name) -}}
{{- end -}}
{{- end -}}
{{- $ports := list 9440 (int .Values.service.targetPort) (int (include "azwi.metricsPort" .)) -}}
{{- if lt (len (uniq $ports)) 3 -}}
{{- fail (printf "The webhook needs three different ports for probes, service.targetPort and metricsAddr, not %v: change one of the latter two." $ports) -}}
{{- end -}}
{{- if and (ne $certificates.mode "provided") (or $certificates.secretName $certificates.caBundle) -}}
{{- fail (printf "certificates.secretName and .caBundle would have no effect with certificates.mode %s: set certificates.mode to provided, or leave them out." $certificates.mode) -}}
{{- end -}}
{{- if and (ne $certificates.mode "cert-manager") $certificates.issuerRef -}}
{{- fail (printf "certificates.issuerRef would have no effect with certificates.mode %s: set certificates.mode to cert-manager, or leave it out." $certificates.mode) -}}
{{- end -}}
{{- if and .Values.clientCertificate.names (not .Values.clientCertificate.configMapName) -}}
{{- fail "clientCertificate.names would have no effect: set clientCertificate.configMapName to the ConfigMap with the CAs." -}}
{{- end -}}
{{- end -}}
