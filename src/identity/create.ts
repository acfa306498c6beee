import type { Send } from '../core/http.ts'
import { azureImds, type AzureImdsOptions } from './azure-imds.ts'
import { azureWorkload, type AzureWorkloadOptions } from './azure-workload.ts'
import type { Patience } from './persist.ts'
import { projectedToken, type ProjectedTokenOptions } from './projected-token.ts'
import type { IdentitySource } from './source.ts'

/** An identity source as a configuration names it: the kind, and what that kind has to know. */
export type SourceChoice =
  | ({ readonly kind: 'projected-token' } & Omit<ProjectedTokenOptions, 'clock'>)
  | ({ readonly kind: 'azure-imds' } & Omit<AzureImdsOptions, Surrounding>)
  | ({ readonly kind: 'azure-workload-identity' } & Omit<AzureWorkloadOptions, Surrounding>)

type Surrounding = 'send' | keyof Patience

/** What surrounds every source: time, patience, and the two ways out. */
export interface SourceSurroundings extends Patience {
  /** Straight to this machine's link; never through a proxy. */
  readonly toPlatform: Send
  /** Follows the usual proxy rules. */
  readonly toInternet: Send
}

/** Makes the source that a configuration chose; there is never a second one to fall back on. */
export function createSource(
  choice: SourceChoice,
  { toPlatform, toInternet, ...patience }: SourceSurroundings,
): IdentitySource {
  switch (choice.kind) {
    case 'projected-token':
      return projectedToken({ ...choice, clock: patience.clock })
    case 'azure-imds':
      return azureImds({ ...choice, ...patience, send: toPlatform })
    case 'azure-workload-identity':
      return azureWorkload({ ...choice, ...patience, send: toInternet })
    default:
      return choice satisfies never
  }
}
