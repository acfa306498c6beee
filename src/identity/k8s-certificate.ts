import { createPrivateKey, X509Certificate } from 'node:crypto'

import { IdentityError } from '../core/errors.ts'
import type { HttpReply, Send } from '../core/http.ts'
import { Secret } from '../core/secret.ts'
import { ask, describe, problem, type Place } from './ask.ts'
import { certificateRequest } from './certificate-request.ts'
import { persistence, type Outcome, type Patience, type RetryRule } from './persist.ts'
import type { ClientCertificate, IdentitySource } from './source.ts'

export interface K8sCertificateOptions extends Patience {
  /** To Conjur, with the configured trust. */
  readonly send: Send
  /** `…/authn-k8s/<service id>/inject_client_cert` */
  readonly injectUrl: URL
  /** `host/<path>` */
  readonly login: string
  readonly namespace: string
  readonly podName: string
  /** Where Conjur puts the certificate, inside this container. */
  readonly certificatePath: string
  /** How often that file is looked for, 50 ms apart. */
  readonly looks: number
  /** Where Conjur's copying leaves what went wrong. */
  readonly logPath?: string
}

const LOOK_EVERY_MS = 50
const COPY_LOG = '/tmp/conjur_copy_text_output.log'
/** A certificate is not shown in its last half minute: the login may take as long. */
const LAST_MOMENT_MS = 30_000
const FIRST_BOOT_MS = 60_000

const PATIENT: RetryRule = { waitsMs: [1000, 2000, 4000, 8000, 16_000, 30_000] }

/**
 * A client certificate for authn-k8s: Conjur signs our request and has the Kubernetes API put the
 * certificate into this very container, which proves that we are the pod we name. Kept until it ends,
 * since each one costs Conjur an exec into the pod. Experimental: no server of ours can prove it.
 */
export function k8sCertificate(options: K8sCertificateOptions): IdentitySource<ClientCertificate> {
  const { clock, injectUrl } = options
  const place: Place = {
    name: `Conjur at ${injectUrl.host}`,
    silenceHint: `let this pod reach ${injectUrl.host}, or correct CONJUR_APPLIANCE_URL`,
    trustHint: "name the CA of Conjur's certificate in CONJUR_SSL_CERTIFICATE or CONJUR_CERT_FILE",
    again: PATIENT,
  }
  let kept: ClientCertificate | undefined
  const persist = persistence(options, FIRST_BOOT_MS)
  return {
    name: 'k8s-certificate',
    watched: [],
    async token(signal) {
      signal.throwIfAborted()
      if (kept !== undefined && clock.now() < kept.expiresAt - LAST_MOMENT_MS) return kept
      kept = await persist(signal, () => inject({ ...options, place }, signal))
      return kept
    },
  }
}

interface Context extends K8sCertificateOptions {
  readonly place: Place
}

async function inject(context: Context, signal: AbortSignal): Promise<Outcome<ClientCertificate>> {
  const { rm } = await import('node:fs/promises')
  const { login, namespace, podName, certificatePath, logPath = COPY_LOG, place } = context
  const { commonName, hostIdPrefix } = namesOf(login)
  const spiffeId = `spiffe://cluster.local/namespace/${namespace}/podname/${podName}`
  const { privateKey, request } = await certificateRequest(commonName, spiffeId)
  // One of an earlier try would be taken for the new one.
  await Promise.all([certificatePath, logPath].map((path) => rm(path, { force: true })))
  const accepted = await ask<true>(
    context.send,
    {
      method: 'POST',
      url: context.injectUrl,
      headers: { 'Content-Type': 'text/plain', 'Host-Id-Prefix': hostIdPrefix },
      body: request,
      deadlineMs: 60_000,
      signal,
      place,
    },
    (reply) => understand(reply, context),
  )
  if (!('value' in accepted)) return accepted
  const pem = await arrival(context, signal)
  if (pem === undefined) return { error: await neverCame(context), again: PATIENT }
  await rm(certificatePath, { force: true })
  return clientCertificate(pem, privateKey, certificatePath)
}

/** The last three parts of a login are the common name, what stands before them the prefix; of a short login the last one. */
export function namesOf(login: string): {
  readonly commonName: string
  readonly hostIdPrefix: string
} {
  const parts = login.split('/')
  const at = parts.length < 4 ? parts.length - 1 : parts.length - 3
  return { commonName: parts.slice(at).join('.'), hostIdPrefix: parts.slice(0, at).join('.') }
}

function understand(reply: HttpReply, { place, login, clock }: Context): Outcome<true> {
  if (reply.status === 202 || reply.status === 200) return { value: true }
  const about = { place, reply, now: clock.now() }
  if (reply.status === 429 || reply.status >= 500) {
    const error = problem('IDENTITY_NOT_READY', `${place.name} answers ${describe(reply)}`, {
      ...about,
      hint: place.silenceHint,
      retryable: true,
    })
    return { error, again: PATIENT }
  }
  const error = problem(
    'IDENTITY_REFUSED',
    `${place.name} injects no certificate for ${login} (${reply.status})`,
    {
      ...about,
      hint: "compare the pod's namespace, service account and container with the authn-k8s/… annotations of that host; Conjur's log has the CONJ… code",
      // It is also how Conjur answers while it cannot reach the Kubernetes API.
      retryable: reply.status === 401,
    },
  )
  return { error }
}

/** The certificate's text once it is there; undefined if it does not come. */
async function arrival(
  { certificatePath, looks, clock }: Context,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { readFile } = await import('node:fs/promises')
  for (let look = 0; look <= looks; look++) {
    if (look > 0) await clock.sleep(LOOK_EVERY_MS, signal)
    const pem = await readFile(certificatePath, 'utf8').catch(() => '')
    if (pem.includes('-----END CERTIFICATE-----')) return pem
  }
  return undefined
}

async function neverCame({
  certificatePath,
  logPath = COPY_LOG,
  looks,
}: Context): Promise<IdentityError> {
  const { readFile, rm } = await import('node:fs/promises')
  const said = await readFile(logPath, 'utf8').catch(() => '')
  await rm(logPath, { force: true })
  const waitedMs = looks * LOOK_EVERY_MS
  return new IdentityError(
    'IDENTITY_NOT_READY',
    `Conjur accepts the request, but no certificate arrives at ${certificatePath} within ${waitedMs} ms`,
    {
      hint: 'let Conjur exec into this container (RBAC pods/exec), mount a writable directory there, or raise CONJUR_CLIENT_CERT_RETRY_COUNT_LIMIT',
      retryable: true,
      facts: { path: certificatePath, copyLog: said.trim().slice(0, 300) || undefined },
    },
  )
}

function clientCertificate(
  pem: string,
  privateKey: Secret,
  path: string,
): Outcome<ClientCertificate> {
  const certificate = parse(pem)
  if (certificate?.checkPrivateKey(createPrivateKey(privateKey.text())) !== true) {
    const error = new IdentityError(
      'IDENTITY_MALFORMED',
      `what arrives at ${path} is no certificate of our key`,
      {
        hint: `see that no other container of this pod writes ${path}`,
        retryable: true,
        facts: { path },
      },
    )
    return { error, again: PATIENT }
  }
  const secret = new Secret(`${privateKey.text()}${pem}`)
  return {
    value: { kind: 'client-certificate', secret, expiresAt: Date.parse(certificate.validTo) },
  }
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}
