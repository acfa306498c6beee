{{/* The prefix of object names: the release's name, with the chart's unless it holds it. */}}
{{- define "conjur-agent.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "conjur-agent.injector" -}}
{{- printf "%s-injector" (include "conjur-agent.fullname" .) -}}
{{- end -}}

{{- define "conjur-agent.serviceAccount" -}}
{{- default (ternary (include "conjur-agent.injector" .) "default" .Values.injector.serviceAccount.create) .Values.injector.serviceAccount.name -}}
{{- end -}}

{{/* Selectors never change: name, instance, component. */}}
{{- define "conjur-agent.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: injector
{{- end -}}

{{- define "conjur-agent.labels" -}}
{{ include "conjur-agent.selector" . }}
app.kubernetes.io/part-of: conjur-agent
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "conjur-agent.image" -}}
{{- $name := .Values.image.repository -}}
{{- with .Values.image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What the render refuses, each with the value written out. */}}
{{- define "conjur-agent.validate" -}}
{{- $conjur := .Values.conjur -}}
{{- if not (or $conjur.existingConfigMap $conjur.namespaceConfigMap) -}}
{{- if not $conjur.applianceUrl }}{{ fail "conjur.applianceUrl is not set: add --set conjur.applianceUrl=https://conjur.example.com" }}{{ end -}}
{{- if not $conjur.account }}{{ fail "conjur.account is not set: add --set conjur.account=acme" }}{{ end -}}
{{- if not $conjur.authenticator }}{{ fail "conjur.authenticator is not set: add --set conjur.authenticator=authn-jwt/prod" }}{{ end -}}
{{- end -}}
{{- if and .Values.injector.enabled (eq .Values.injector.match "annotation") (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail "injector.match=annotation needs Kubernetes 1.30: add --set injector.match=label" -}}
{{- end -}}
{{- if and (eq .Values.agent.idle "hibernate") (not .Values.agent.hibernateImage) -}}
{{- fail (printf "agent.idle=hibernate needs an image with a shell: add --set agent.hibernateImage=%s-hibernate" (include "conjur-agent.image" .)) -}}
{{- end -}}
{{- $certificate := .Values.injector.certificate -}}
{{- if and (eq $certificate.mode "supplied") (not $certificate.supplied.secretName) -}}
{{- fail "injector.certificate.supplied.secretName is not set: add --set injector.certificate.supplied.secretName=injector-tls" -}}
{{- end -}}
{{- if and (eq $certificate.mode "supplied") (not $certificate.supplied.caBundle) -}}
{{- fail "injector.certificate.supplied.caBundle is not set: add --set-file injector.certificate.supplied.caBundle=ca.pem" -}}
{{- end -}}
{{- end -}}

{{/* Whether an object of an optional kind is made: `list .Values.monitoring.x "group/version/Kind" .` */}}
{{- define "conjur-agent.wanted" -}}
{{- $values := index . 0 -}}{{- $kind := index . 1 -}}{{- $root := index . 2 -}}
{{- if $values.enabled -}}
{{- if $root.Capabilities.APIVersions.Has $kind -}}yes
{{- else if eq $values.whenMissing "fail" -}}
{{- fail (printf "the cluster does not know %s: install its operator, or set whenMissing=skip" $kind) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The address of Conjur and who may say so, as environment of the injector or a test. */}}
{{- define "conjur-agent.connection" -}}
{{- $conjur := .Values.conjur -}}
{{- with $conjur.applianceUrl }}
- { name: CONJUR_APPLIANCE_URL, value: {{ . | quote }} }
{{- end }}
{{- with $conjur.account }}
- { name: CONJUR_ACCOUNT, value: {{ . | quote }} }
{{- end }}
{{- with $conjur.authenticator }}
- { name: CONJUR_AUTHENTICATOR, value: {{ . | quote }} }
{{- end }}
{{- with $conjur.sslCertificate }}
- name: CONJUR_SSL_CERTIFICATE
  value: {{ . | quote }}
{{- end }}
- { name: CONJUR_TOKEN_AUDIENCE, value: {{ .Values.token.audience | quote }} }
{{- end -}}

{{- define "conjur-agent.restrictedPod" -}}
{{- toYaml (mustMergeOverwrite (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) (deepCopy .Values.injector.podSecurityContext)) -}}
{{- end -}}

{{- define "conjur-agent.restricted" -}}
{{- toYaml (mustMergeOverwrite (dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" (dict "drop" (list "ALL"))) (deepCopy .Values.injector.securityContext)) -}}
{{- end -}}
