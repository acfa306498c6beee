import type { Send } from '../core/http.ts'
import type { Secret } from '../core/secret.ts'
import { apiKeyFile } from './api-key-file.ts'
import { aws, type AwsOptions } from './aws.ts'
import { azureAppService, type AzureAppServiceOptions } from './azure-app-service.ts'
import { azureArc, type AzureArcOptions } from './azure-arc.ts'
import { azureImds, type AzureImdsOptions } from './azure-imds.ts'
import { azureWorkload, type AzureWorkloadOptions } from './azure-workload.ts'
import { command, type CommandOptions } from './command.ts'
import { gcpMetadata, type GcpMetadataOptions } from './gcp-metadata.ts'
import { k8sCertificate, type K8sCertificateOptions } from './k8s-certificate.ts'
import {
  oidcClientCredentials,
  type OidcClientCredentialsOptions,
} from './oidc-client-credentials.ts'
import type { Patience } from './persist.ts'
import { projectedToken } from './projected-token.ts'
import type { IdentitySource } from './source.ts'
import type { TokenProxy } from './token-proxy.ts'
import { tokenRequest, type CreateToken, type TokenRequest } from './token-request.ts'

/** An identity source as a configuration names it: the kind, and what that kind has to know. */
export type SourceChoice =
  | Chosen<'projected-token', { readonly path: string; readonly setting: string }>
  | Chosen<'oidc-token-file', { readonly path: string; readonly setting: string }>
  | Chosen<'api-key-file', { readonly path: string }>
  | Chosen<'token-request', { readonly request: TokenRequest }>
  | Chosen<'azure-imds', Omit<AzureImdsOptions, Surrounding>>
  | Chosen<
      'azure-app-service',
      Omit<AzureAppServiceOptions, Surrounding | 'header'> & { readonly headerValue: Secret }
    >
  | Chosen<'azure-arc', Omit<AzureArcOptions, Surrounding>>
  | Chosen<
      'azure-workload-identity',
      Omit<AzureWorkloadOptions, Surrounding | 'tokenProxy'> & {
        readonly tokenProxy: TokenProxy | undefined
      }
    >
  | Chosen<'oidc-client-credentials', Omit<OidcClientCredentialsOptions, Surrounding>>
  | Chosen<'gcp-metadata', Omit<GcpMetadataOptions, Surrounding>>
  | Chosen<'aws', Omit<AwsOptions, Surrounding>>
  | Chosen<'k8s-certificate', Omit<K8sCertificateOptions, Surrounding | 'logPath'>>
  | Chosen<'command', Omit<CommandOptions, Surrounding | 'environment'>>

type Chosen<Kind extends string, Options> = { readonly kind: Kind } & Options
type Surrounding = 'send' | 'directSend' | keyof Patience

/** What surrounds every source: time, patience, the ways out, and what the process was started with. */
export interface SourceSurroundings extends Patience {
  /** Straight to this machine's link; never through a proxy. */
  readonly toPlatform: Send
  /** Follows the usual proxy rules. */
  readonly toInternet: Send
  /** To Conjur, which issues the certificate of authn-k8s. */
  readonly toConjur: Send
  /** To Azure's token proxy, by its own server name and CA; made where one is named. */
  readonly toTokenProxy: (proxy: TokenProxy) => Send
  /** The Kubernetes API; its client is loaded at the first call. */
  readonly createToken: CreateToken
  /** What the process was started with; a command of the user's gets it too. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Makes the source that a configuration chose; there is never a second one to fall back on. */
export function createSource(choice: SourceChoice, around: SourceSurroundings): IdentitySource {
  const { toPlatform, toInternet, toConjur, toTokenProxy, createToken, environment, ...patience } =
    around
  const { clock } = patience
  switch (choice.kind) {
    case 'projected-token':
    case 'oidc-token-file':
      return projectedToken({ ...choice, name: choice.kind, clock })
    case 'api-key-file':
      return apiKeyFile(choice)
    case 'token-request':
      return tokenRequest({ ...choice, ...patience, createToken })
    case 'azure-imds':
      return azureImds({ ...choice, ...patience, send: toPlatform })
    case 'azure-app-service':
      return azureAppService({
        ...choice,
        ...patience,
        send: toPlatform,
        header: () => choice.headerValue,
      })
    case 'azure-arc':
      return azureArc({ ...choice, ...patience, send: toPlatform })
    case 'azure-workload-identity': {
      const { tokenProxy } = choice
      const send = tokenProxy === undefined ? toInternet : toTokenProxy(tokenProxy)
      return azureWorkload({ ...choice, ...patience, send, tokenProxy: tokenProxy?.url })
    }
    case 'oidc-client-credentials':
      return oidcClientCredentials({ ...choice, ...patience, send: toInternet })
    case 'gcp-metadata':
      return gcpMetadata({ ...choice, ...patience, send: toPlatform })
    case 'aws':
      return aws({ ...choice, ...patience, send: toInternet, directSend: toPlatform })
    case 'k8s-certificate':
      return k8sCertificate({ ...choice, ...patience, send: toConjur })
    case 'command':
      return command({ ...choice, ...patience, environment })
    default:
      return choice satisfies never
  }
}
