{{/* Fixed names: a cluster has one of these webhooks. The program knows the same ones. */}}
{{- define "azwi.name" -}}azwi-sidecar-webhook{{- end -}}
{{- define "azwi.secret" -}}azwi-sidecar-webhook-cert{{- end -}}

{{/* What never changes: a Deployment's selector cannot. */}}
{{- define "azwi.selector" -}}
app.kubernetes.io/name: azwi-sidecar
app.kubernetes.io/component: webhook
{{- end -}}

{{- define "azwi.labels" -}}
{{ include "azwi.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "azwi.tag" -}}
{{- .Values.image.tag | default .Values.image.release | default "" -}}
{{- end -}}

{{- define "azwi.image" -}}
{{- $tag := include "azwi.tag" . -}}
{{- .Values.image.repository -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* (list . "azwi-proxy" "proxy.image" <its value>): that value, or the webhook's image with another name. */}}
{{- define "azwi.sibling" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $tag := include "azwi.tag" $root -}}
{{- $repository := $root.Values.image.repository -}}
{{- if index . 3 -}}
{{- index . 3 -}}
{{- else if and $tag (hasSuffix "azwi-webhook" $repository) -}}
{{- trimSuffix "azwi-webhook" $repository }}{{ $name }}:{{ $tag -}}
{{- else -}}
{{- fail (printf "%s is not set, and does not follow from image.repository and image.tag (a repository that ends with azwi-webhook, and a tag): set it to the image of %s." (index . 2) $name) -}}
{{- end -}}
{{- end -}}

{{/* Quantities as text, which is what the injected containers carry: 1 and "1" are the same. */}}
{{- define "azwi.resources" -}}
{{- $all := dict -}}
{{- range $kind, $quantities := . -}}
{{- $texts := dict -}}
{{- range $name, $quantity := $quantities }}{{ $_ := set $texts $name (toString $quantity) }}{{ end -}}
{{- $_ := set $all $kind $texts -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{- define "azwi.metricsPort" -}}
{{- regexReplaceAll "^.*:" .Values.metricsAddr "" -}}
{{- end -}}
