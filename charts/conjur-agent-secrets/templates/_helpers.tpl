{{/* The prefix of object names: the release's name, with the chart's unless it holds it. */}}
{{- define "conjur-agent-secrets.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "conjur-agent-secrets.serviceAccount" -}}
{{- default (ternary (include "conjur-agent-secrets.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{/* A Job cannot be changed: what changes has another name. */}}
{{- define "conjur-agent-secrets.job" -}}
{{- $content := list .Values .Chart.Version .Release.Revision | toJson | sha256sum | trunc 8 -}}
{{- printf "%s-%s" (include "conjur-agent-secrets.fullname" .) $content -}}
{{- end -}}

{{/* Selectors never change: name, instance, component. */}}
{{- define "conjur-agent-secrets.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: secrets
{{- end -}}

{{- define "conjur-agent-secrets.labels" -}}
{{ include "conjur-agent-secrets.selector" . }}
app.kubernetes.io/part-of: conjur-agent
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "conjur-agent-secrets.image" -}}
{{- $name := .Values.image.repository -}}
{{- with .Values.image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What the render refuses, each with the value written out. */}}
{{- define "conjur-agent-secrets.validate" -}}
{{- $conjur := .Values.conjur -}}
{{- if not $conjur.existingConfigMap -}}
{{- if not $conjur.applianceUrl }}{{ fail "conjur.applianceUrl is not set: add --set conjur.applianceUrl=https://conjur.example.com" }}{{ end -}}
{{- if not $conjur.account }}{{ fail "conjur.account is not set: add --set conjur.account=acme" }}{{ end -}}
{{- if not $conjur.authenticator }}{{ fail "conjur.authenticator is not set: add --set conjur.authenticator=authn-jwt/prod" }}{{ end -}}
{{- end -}}
{{- if and (eq .Values.mode "standalone") (not .Values.namespaces) -}}
{{- fail "namespaces is not set: add --set namespaces={shop,billing}" -}}
{{- end -}}
{{- if and (eq .Values.mode "job") .Values.namespaces -}}
{{- fail (printf "namespaces has no effect with mode=job, which fills the Secrets of %s: add --set mode=standalone, or install the Job in each namespace" .Release.Namespace) -}}
{{- end -}}
{{- if and (eq .Values.mode "standalone") .Values.job.schedule -}}
{{- fail "job.schedule has no effect with mode=standalone: add --set mode=job" -}}
{{- end -}}
{{- end -}}

{{/* The way to Conjur, as environment of the agent or a test. */}}
{{- define "conjur-agent-secrets.connection" -}}
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
{{- with $conjur.login }}
- { name: CONJUR_AUTHN_LOGIN, value: {{ . | quote }} }
{{- end }}
- { name: JWT_TOKEN_PATH, value: /var/run/secrets/conjur.org/token }
{{- end -}}

{{- define "conjur-agent-secrets.tokenVolume" -}}
- name: conjur-platform-token
  projected:
    sources:
      - serviceAccountToken:
          audience: {{ .Values.token.audience }}
          expirationSeconds: {{ .Values.token.expirationSeconds }}
          path: token
{{- end -}}

{{- define "conjur-agent-secrets.restrictedPod" -}}
{{- toYaml (mustMergeOverwrite (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) (deepCopy .Values.podSecurityContext)) -}}
{{- end -}}

{{- define "conjur-agent-secrets.restricted" -}}
{{- toYaml (mustMergeOverwrite (dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "runAsNonRoot" true "capabilities" (dict "drop" (list "ALL"))) (deepCopy .Values.securityContext)) -}}
{{- end -}}

{{/* The pod of the Deployment, the Job or the CronJob. */}}
{{- define "conjur-agent-secrets.pod" -}}
{{- $isLasting := eq .Values.mode "standalone" -}}
metadata:
  labels:
    {{- include "conjur-agent-secrets.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "conjur-agent-secrets.serviceAccount" . }}
  # The token for the Kubernetes API; the one for Conjur is a volume of its own.
  automountServiceAccountToken: true
  {{- if not $isLasting }}
  restartPolicy: Never
  {{- end }}
  securityContext: {{- include "conjur-agent-secrets.restrictedPod" . | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if $isLasting }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "conjur-agent-secrets.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: conjur-agent
      image: {{ include "conjur-agent-secrets.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [{{ ternary "run" "init" $isLasting }}]
      {{- with .Values.conjur.existingConfigMap }}
      envFrom:
        - configMapRef: { name: {{ . }} }
      {{- end }}
      env:
        {{- include "conjur-agent-secrets.connection" . | nindent 8 }}
        {{- if $isLasting }}
        - { name: CONTAINER_MODE, value: standalone }
        - { name: NAMESPACE_ALLOWLIST, value: {{ join "," .Values.namespaces | quote }} }
        - { name: CONJUR_SECRETS_REFRESH_INTERVAL, value: {{ .Values.refreshInterval | quote }} }
        - { name: MY_POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
        {{- else }}
        - { name: SECRETS_DESTINATION, value: k8s_secrets }
        {{- end }}
        {{- with .Values.secretNames }}
        - { name: K8S_SECRETS, value: {{ join "," . | quote }} }
        {{- end }}
        - { name: MY_POD_NAMESPACE, valueFrom: { fieldRef: { fieldPath: metadata.namespace } } }
        - { name: LOG_LEVEL, value: {{ .Values.logLevel }} }
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if $isLasting }}
      # A replica that follows is ready too; to a Conjur that hangs, ten minutes are left.
      readinessProbe:
        exec: { command: [conjur-agent, healthcheck] }
        periodSeconds: 10
        timeoutSeconds: 5
      livenessProbe:
        exec: { command: [conjur-agent, healthcheck, --live] }
        periodSeconds: 30
        timeoutSeconds: 5
        failureThreshold: 20
      {{- end }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext: {{- include "conjur-agent-secrets.restricted" . | nindent 8 }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        - { name: conjur-platform-token, mountPath: /var/run/secrets/conjur.org, readOnly: true }
        - { name: conjur-status, mountPath: /conjur/status }
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "conjur-agent-secrets.tokenVolume" . | nindent 4 }}
    - { name: conjur-status, emptyDir: { medium: Memory, sizeLimit: 1Mi } }
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
