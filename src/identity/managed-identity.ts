import type { Send } from '../core/http.ts'
import type { Patience } from './persist.ts'

/** Which of the attached managed identities is meant; at most one selector is ever sent. */
export interface IdentitySelector {
  readonly kind: 'clientId' | 'objectId' | 'resourceId'
  readonly value: string
}

/** What every way of asking Azure for a managed identity's token needs. */
export interface ManagedIdentityOptions extends Patience {
  /** Goes straight to the machine's own endpoint: a proxy must never see this request. */
  readonly send: Send
  /** What the token is for: a bare URI such as `https://management.azure.com/`, not a scope. */
  readonly resource: string
  /** Without one: the system-assigned identity, where there is one. */
  readonly selector?: IdentitySelector | undefined
}

const SETTING = {
  clientId: 'CONJUR_AUTHN_AZURE_CLIENT_ID',
  objectId: 'CONJUR_AUTHN_AZURE_OBJECT_ID',
  resourceId: 'CONJUR_AUTHN_AZURE_RESOURCE_ID',
} as const satisfies Record<IdentitySelector['kind'], string>

const WORDS = {
  clientId: 'client id',
  objectId: 'object id',
  resourceId: 'resource id',
} as const satisfies Record<IdentitySelector['kind'], string>

/** The variable that chooses an identity: the one in use, or the one to use. */
export function selectorSetting(selector: IdentitySelector | undefined): string {
  return SETTING[selector?.kind ?? 'clientId']
}

/** `managed identity with client id 7c7c…`, or `managed identity` where none is chosen. */
export function inWords(selector: IdentitySelector | undefined): string {
  return selector === undefined
    ? 'managed identity'
    : `managed identity with ${WORDS[selector.kind]} ${selector.value}`
}
