import { Secret } from '../core/secret.ts'
import type { Take } from './reader.ts'
import { settings } from './settings.ts'

/** An OpenTelemetry collector, and as what an agent appears there. */
export interface TracesConfig {
  /** Where spans are posted, path included. */
  readonly endpoint: URL
  /** As OTEL_EXPORTER_OTLP_HEADERS has them; they may hold a key. */
  readonly headers: Secret
  readonly serviceName: string
}

/** Where traces go, by the names that every OpenTelemetry program reads. */
export function readTraces(take: Take): { readonly traces?: TracesConfig } {
  const base = take(settings.otlpEndpoint)
  const headers = new Secret(take(settings.otlpHeaders) ?? '')
  const serviceName = take(settings.serviceName)
  const endpoint = take(settings.otlpTracesEndpoint) ?? (base && below(base, 'v1/traces'))
  return endpoint === undefined ? {} : { traces: { endpoint, headers, serviceName } }
}

function below(base: URL, path: string): URL {
  return new URL(path, base.href.replace(/\/*$/, '/'))
}
