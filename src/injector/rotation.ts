import type { HeldLease, LeasePort } from '../kubernetes/lease.ts'
import type { SecretPort, StoredSecret } from '../kubernetes/secrets.ts'
import type { WebhookPort } from '../kubernetes/webhook.ts'
import {
  belongs,
  fits,
  makeAuthority,
  makeLeaf,
  splitBundle,
  validityOf,
  type KeyPair,
  type Validity,
} from './certificate.ts'

/**
 * A certificate that the injector makes and rotates itself. One Secret holds everything: the CA and
 * its key, the serving certificate and its key, and the bundle that API servers should trust. Every
 * replica serves what the Secret says; the one that holds the Lease writes it.
 */
export interface CertificateStore {
  readonly authority: KeyPair
  readonly leaf: KeyPair
  /** Every CA that a serving certificate in use may come from, PEM. */
  readonly bundle: string
}

/** What the leader should do to a store at a moment; undefined: leave it. */
type Step = 'create' | 'add-authority' | 'sign-leaf' | 'mend-bundle'

export interface RotationOptions {
  readonly leafDays: number
  readonly caDays: number
  /** What the API server calls this injector by. */
  readonly names: readonly string[]
}

/** A new CA is trusted for this long before anything it signed is served. */
export const OVERLAP_MS = 2 * 60_000

/**
 * Which step is due. A third of its life before its end a certificate is replaced. A new CA first
 * joins the bundle, next to the old one; only when API servers have had time to learn of it is a
 * leaf signed with it, and old CAs leave when they are over.
 */
function dueStep(store: CertificateStore | undefined, now: number): Step | undefined {
  if (store === undefined) return 'create'
  const { authority, leaf, bundle } = store
  const [ca, served] = [validityOf(authority.cert), validityOf(leaf.cert)]
  if (ca === undefined || served === undefined || !belongs(authority) || !fits(leaf))
    return 'create'
  if (ca.endsAt <= now) return 'create'
  if (isOld(ca, now)) return 'add-authority'
  const trusted = splitBundle(bundle)
  const signedByCurrent = fits(leaf, authority.cert)
  if (!signedByCurrent && !trusted.some((one) => fits(leaf, one))) return 'sign-leaf'
  const learnt = now - startOf(ca) >= OVERLAP_MS
  if (served.endsAt <= now) return 'sign-leaf'
  if (signedByCurrent ? isOld(served, now) : learnt) return 'sign-leaf'
  if (!trusted.includes(authority.cert)) return 'mend-bundle'
  if (trusted.some((one) => (validityOf(one)?.endsAt ?? 0) <= now)) return 'mend-bundle'
  return undefined
}

/** The store after one step. */
async function takeStep(
  step: Step,
  {
    store,
    now,
    options,
  }: { store: CertificateStore | undefined; now: number; options: RotationOptions },
): Promise<CertificateStore> {
  const { leafDays: days, names } = options
  if (store === undefined || step === 'create') {
    const authority = await makeAuthority({ now, days: options.caDays })
    const leaf = await makeLeaf(authority, { now, days, names })
    return { authority, leaf, bundle: authority.cert }
  }
  switch (step) {
    case 'add-authority': {
      const authority = await makeAuthority({ now, days: options.caDays })
      return { ...store, authority, bundle: current(`${authority.cert}${store.bundle}`, now) }
    }
    case 'sign-leaf':
      return { ...store, leaf: await makeLeaf(store.authority, { now, days, names }) }
    case 'mend-bundle':
      return { ...store, bundle: current(`${store.authority.cert}${store.bundle}`, now) }
    default:
      return step satisfies never
  }
}

/** A bundle without what is over or stands there twice. */
function current(bundle: string, now: number): string {
  const good = splitBundle(bundle).filter((one) => (validityOf(one)?.endsAt ?? 0) > now)
  return [...new Set(good)].join('')
}

function isOld({ startsAt, endsAt }: Validity, now: number): boolean {
  return endsAt - now < (endsAt - startsAt) / 3
}

/** When it was made: certificates are dated back, so that a slow clock does not refuse them. */
function startOf({ startsAt }: Validity): number {
  return startsAt + 10 * 60_000
}

/** The store as a Secret's data, and back; undefined where something is missing. */
function toSecret({ authority, leaf, bundle }: CertificateStore): Record<string, string> {
  return {
    'ca.crt': bundle,
    'authority.crt': authority.cert,
    'authority.key': authority.key,
    'tls.crt': leaf.cert,
    'tls.key': leaf.key,
  }
}

export function fromSecret(data: StoredSecret['data']): CertificateStore | undefined {
  const bundle = data['ca.crt']
  const [authority, leaf] = [pairOf(data, 'authority'), pairOf(data, 'tls')]
  if (bundle === undefined || authority === undefined || leaf === undefined) return undefined
  return { authority, leaf, bundle }
}

function pairOf(data: StoredSecret['data'], name: string): KeyPair | undefined {
  const [cert, key] = [data[`${name}.crt`], data[`${name}.key`]]
  return cert === undefined || key === undefined ? undefined : { cert, key }
}

export interface RotationPorts {
  readonly secret: SecretPort
  readonly webhook: WebhookPort
  readonly lease: LeasePort
}

export interface RotationContext extends RotationPorts {
  /** This replica's name in the Lease. */
  readonly identity: string
  readonly options: RotationOptions
  readonly now: () => number
}

/** What one turn found: what to serve, and whether API servers will accept it. */
export interface Turn {
  readonly leads: boolean
  readonly store: CertificateStore | undefined
  /** Why an API server would not accept the certificate yet. */
  readonly notTrusted: string | undefined
  /** What the leader did, for the log. */
  readonly done: readonly string[]
}

/** How long a Lease lasts unless it is renewed; a turn comes several times in that. */
export const LEASE_SECONDS = 15

/** One turn of one replica: keep or take the Lease, and do what is due if it is ours. */
export async function turn(context: RotationContext): Promise<Turn> {
  const { secret, webhook, options, now } = context
  const leads = await lead(context)
  const done: string[] = []
  let stored = await secret.read()
  let store = stored === undefined ? undefined : fromSecret(stored.data)
  let step = leads ? dueStep(store, now()) : undefined
  // No step is taken twice: what an engine does not take would be made over and over.
  while (step !== undefined && !done.includes(step)) {
    const next = await takeStep(step, { store, now: now(), options })
    if (!(await secret.write(toSecret(next), stored))) break
    done.push(step)
    stored = await secret.read()
    store = stored === undefined ? undefined : fromSecret(stored.data)
    step = dueStep(store, now())
  }
  const bundles = await webhook.bundles()
  if (store === undefined) return { leads, store, notTrusted: 'there is no certificate yet', done }
  if (bundles === undefined) {
    return { leads, store, notTrusted: 'the webhook configuration does not exist', done }
  }
  const { bundle, leaf } = store
  const wrong = [...bundles].filter(([, present]) => !sameBundle(present, bundle))
  if (wrong.length === 0) return { leads, store, notTrusted: undefined, done }
  if (leads) {
    await webhook.setBundles(new Map(wrong.map(([name]) => [name, bundle])))
    return { leads, store, notTrusted: undefined, done: [...done, 'repair-bundle'] }
  }
  const trusted = wrong.every(([, present]) => splitBundle(present).some((ca) => fits(leaf, ca)))
  const notTrusted = trusted ? undefined : 'the webhook configuration does not trust it yet'
  return { leads, store, notTrusted, done }
}

function sameBundle(one: string, other: string): boolean {
  const [left, right] = [splitBundle(one), splitBundle(other)]
  return left.length === right.length && left.every((certificate) => right.includes(certificate))
}

async function lead({ lease, identity, now }: RotationContext): Promise<boolean> {
  const held = await lease.read()
  if (held !== undefined && held.holder !== identity && isHeld(held, now())) return false
  return lease.write(identity, { now: now(), seconds: LEASE_SECONDS, over: held })
}

function isHeld({ holder, endsAt }: HeldLease, now: number): boolean {
  return holder !== '' && endsAt > now
}

/** Gives the Lease back, so that another replica need not wait for its end. */
export async function resign({ lease, identity, now }: RotationContext): Promise<void> {
  const held = await lease.read()
  if (held?.holder !== identity) return
  await lease.write('', { now: now(), seconds: LEASE_SECONDS, over: held })
}
