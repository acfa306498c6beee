import { listed } from '../refusal.ts'
import {
  authentication,
  claimMissing,
  constraintNotSupported,
  missingConstraints,
  restrictionMismatch,
} from '../refusals.ts'
import type { Place } from '../store.ts'
import type { World } from '../world.ts'
import { requireAccess, requireEnabled, requireOrigin } from './access.ts'
import type { Attempt, Authenticator } from './attempt.ts'
import { discover } from './discovery.ts'
import { jwtIn } from './form.ts'
import { verifyByProvider } from './provider.ts'
import { placeOf, restrictionsOf, type Restriction } from './restrictions.ts'
import { required } from './variables.ts'

const needed = ['subscription-id', 'resource-group']
const identities = ['user-assigned-identity', 'system-assigned-identity']
const permitted = [...needed, ...identities]

/** authn-azure: a v1.0 access token of Microsoft Entra ID, from a managed identity. */
export const azure: Authenticator = {
  async identify(_world, attempt) {
    return attempt.login ?? ''
  },
  async admit(world, attempt, login) {
    requireEnabled(world, attempt)
    requireAccess(world, attempt, { login, privilege: 'authenticate' })
    requireOrigin(world, attempt, login)
    const uri = `${required(world, attempt, 'provider-uri').replace(/\/$/, '')}/`
    const claims = await verifyByProvider(world, jwtIn(attempt.body), { uri, issuer: uri })
    const identity = {
      xmsMirid: claim(claims['xms_mirid'], 'xms_mirid'),
      oid: claim(claims['oid'], 'oid'),
    }
    const restrictions = restrictionsOf(world, attempt, login)
    checkConstraints(restrictions, placeOf(world, attempt, login))
    for (const restriction of restrictions) checkRestriction(restriction, identity)
  },
}

/** Whether provider-uri is set and its provider answers: the status route. */
export async function azureStatus(world: World, attempt: Attempt): Promise<void> {
  await discover(world, required(world, attempt, 'provider-uri'), undefined)
}

/** The parts of `xms_mirid` that annotations speak of. */
export interface AzureResource {
  readonly subscription: string | undefined
  readonly resourceGroup: string | undefined
  /** Namespace, type and name. */
  readonly provider: readonly string[]
}

/**
 * Takes `/subscriptions/…/resourcegroups/…/providers/NAMESPACE/TYPE/NAME` apart. Throws CONJ00053E
 * where a part is missing and CONJ00054E where the provider has not three parts.
 */
export function parseXmsMirid(text: string): AzureResource {
  const parts = text.split('/')
  if (parts[0] === '') parts.shift()
  const groups = new Map<string, string[]>()
  let current: string[] = []
  for (const [index, part] of parts.entries()) {
    // A part that merely holds a key word starts a group too: so the real server cuts.
    if (index === 0 || /subscriptions|resourcegroups|providers/.test(part)) {
      current = []
      groups.set(part, current)
    } else current.push(part)
  }
  const missing = ['subscriptions', 'resourcegroups', 'providers'].filter((key) => !groups.has(key))
  if (missing.length > 0) {
    throw authentication(
      'AuthnAzure::MissingRequiredFieldsInXmsMirid',
      `CONJ00053E Required fields ${listed(missing)} are missing in xms_mirid ${text}`,
      {
        because: `xms_mirid "${text}" lacks ${missing.join(', ')}, which count in lower case only`,
      },
    )
  }
  const provider = groups.get('providers') ?? []
  if (provider.length !== 3) {
    throw authentication(
      'AuthnAzure::InvalidProviderFieldsInXmsMirid',
      `CONJ00054E Provider fields are in invalid format in xms_mirid ${text}. xms_mirid must contain the resource provider namespace, the resource type, and the resource name`,
      { because: `xms_mirid "${text}" names ${provider.length} provider parts, 3 are needed` },
    )
  }
  return {
    subscription: groups.get('subscriptions')?.[0],
    resourceGroup: groups.get('resourcegroups')?.[0],
    provider,
  }
}

function claim(value: unknown, name: string): string {
  if (typeof value !== 'string') throw claimMissing(name)
  return value
}

function checkConstraints(restrictions: readonly Restriction[], place: Place | undefined): void {
  const names = restrictions.map(({ name }) => name)
  const missing = needed.filter((name) => !names.includes(name))
  if (missing.length > 0) {
    throw missingConstraints(missing, {
      because: `the host lacks annotation ${missing.map((name) => `authn-azure/${name}`).join(', ')}`,
      place,
    })
  }
  const unknown = names.filter((name) => !permitted.includes(name))
  if (unknown.length > 0) {
    throw constraintNotSupported(unknown, permitted, {
      because: `annotation authn-azure/${unknown[0]} is none of ${permitted.join(', ')}`,
      place: restrictions.find(({ name }) => name === unknown[0])?.place,
    })
  }
  const both = names.filter((name) => identities.includes(name))
  if (both.length > 1) {
    throw authentication(
      'Constraints::IllegalConstraintCombinations',
      `CONJ00055E Resource restrictions include an illegal combination of resource constraints - '${listed(both)}'`,
      { because: `the host has both ${both.join(' and ')}`, place },
    )
  }
}

function checkRestriction(
  restriction: Restriction,
  identity: { readonly xmsMirid: string; readonly oid: string },
): void {
  const resource = parseXmsMirid(identity.xmsMirid)
  const isUserAssigned = resource.provider.includes('Microsoft.ManagedIdentity')
  const found = {
    'subscription-id': resource.subscription,
    'resource-group': resource.resourceGroup,
    'user-assigned-identity': isUserAssigned ? resource.provider.at(-1) : undefined,
    'system-assigned-identity': isUserAssigned ? undefined : identity.oid,
  }[restriction.name]
  if (found === restriction.value) return
  const shown =
    found === undefined
      ? `none (the token is ${isUserAssigned ? 'user' : 'system'}-assigned)`
      : `"${found}"`
  throw restrictionMismatch(restriction.name, {
    because: `${restriction.name}: token ${shown}, policy "${restriction.value}"`,
    place: restriction.place,
  })
}
