import { agentCheck, knownAnnotations } from '../../src/injector/agent-check.ts'
import { loadSettings } from '../../src/injector/load-settings.ts'
import { review, type ReviewContext, type Verdict } from '../../src/injector/review.ts'
import type { InjectionSettings } from '../../src/injector/settings.ts'
import { applyPatch } from '../support/json-patch.ts'

/** JSON of any shape, since hand-made pods have any. */
export type Loose = ReturnType<typeof JSON.parse>

export const ENVIRONMENT = {
  CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
  CONJUR_ACCOUNT: 'acme',
  CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
  CONJUR_TOKEN_AUDIENCE: 'conjur',
  MY_POD_NAMESPACE: 'conjur-agent',
}

export const IMAGE = 'registry.example.com/conjur-agent:1'

/** The injector's settings as its flags and environment alone give them, with some of them replaced. */
export async function settingsWith(
  changes: Partial<InjectionSettings> = {},
  environment: Record<string, string> = {},
): Promise<InjectionSettings> {
  const { injection } = await loadSettings({
    command: 'injector',
    flags: { image: IMAGE },
    positionals: [],
    environment: { ...ENVIRONMENT, ...environment },
  })
  return { ...injection, ...changes }
}

export async function contextWith(
  changes: Partial<InjectionSettings> = {},
  environment: Record<string, string> = {},
): Promise<ReviewContext> {
  const settings = await settingsWith(changes, environment)
  return { settings, known: knownAnnotations(), check: agentCheck }
}

/** A pod that opts in with one group; `annotations` are given without `conjur.org/`, undefined takes one away. */
export function pod(
  annotations: Record<string, string | undefined> = {},
  spec: object = {},
  metadata: object = {},
): Loose {
  const own = { inject: 'true', 'conjur-secrets.db': '- apps/web/db-password', ...annotations }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'web-',
      annotations: Object.fromEntries(
        Object.entries(own)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [`conjur.org/${name}`, value]),
      ),
      ...metadata,
    },
    spec: { serviceAccountName: 'web', containers: [{ name: 'web', image: 'nginx' }], ...spec },
  }
}

/** The request the API server would send for a pod. */
export function creating(object: unknown, changes: object = {}) {
  return {
    uid: 'u-1',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    namespace: 'shop',
    operation: 'CREATE',
    object,
    ...changes,
  }
}

export interface Reviewed {
  readonly verdict: Verdict
  /** The pod with the patch applied. */
  readonly pod: Loose
  /** The last container that runs the agent's image, of either kind. */
  readonly agent: Loose
}

/** Reviews the creation of a pod and applies the patch. */
export async function reviewed(
  object: Loose,
  context?: ReviewContext,
  changes: object = {},
): Promise<Reviewed> {
  const verdict = await review(creating(object, changes), context ?? (await contextWith()))
  if (verdict.outcome === 'malformed') throw new Error(verdict.message)
  const patched = applyPatch(object, verdict.patch)
  const all = [...(patched.spec?.initContainers ?? []), ...(patched.spec?.containers ?? [])]
  return {
    verdict,
    pod: patched,
    agent: all.findLast((container: Loose) => String(container.image).startsWith(IMAGE)),
  }
}
