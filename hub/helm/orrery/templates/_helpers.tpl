{{- define "orrery.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "orrery.selector" -}}
app.kubernetes.io/name: orrery
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "orrery.labels" -}}
{{ include "orrery.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "orrery.prefix" -}}
{{ .Values.hub.baseUrl }}services/orrery/
{{- end }}
