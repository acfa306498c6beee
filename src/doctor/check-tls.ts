import type { PartialConfig } from '../config/load.ts'
import { noReply } from '../conjur/refusal.ts'
import { ConjurError } from '../core/errors.ts'
import type { SendFailure } from '../core/http.ts'
import { certificatesIn, type ShownCertificate, type TlsFacts } from '../net/probe.ts'
import { examineCa } from '../net/trusted-ca.ts'
import { atEach, besides, keeping, serversOf } from './each-server.ts'
import type { Known, Tools } from './known.ts'
import { degraded, passed, type Finding } from './report.ts'

const DAY = 86_400_000
/** From here on an expiring certificate is worth a finding. */
const SOON_DAYS = 14

/** Shakes hands with Conjur and shows the chain. Rejects with a ConjurError where it is not trusted. */
export async function checkTls(
  known: Known & { readonly partial: PartialConfig },
  tools: Tools,
  signal: AbortSignal,
): Promise<[Finding, Known]> {
  const pem = await examineCa(known.partial.conjur.ca)
  const servers = serversOf(known.partial)
  const { worked, errors } = await atEach(servers, { tools, signal }, async (url, until) => {
    const shown = await handshake(url, { pem, tools, signal: until })
    if (shown.failure === undefined) return trusted(shown, tools.now())
    throw distrusted(shown.failure, { shown, pem, now: tools.now() })
  })
  const finding = [...worked.values()].reduce((one, other) => worse(one, other))
  return [
    besides(finding, errors),
    { isTrusted: true, ...keeping(known, ({ origin }) => worked.has(origin)) },
  ]
}

async function handshake(
  url: URL,
  { pem, tools, signal }: { pem: string | undefined; tools: Tools; signal: AbortSignal },
): Promise<TlsFacts> {
  try {
    return await tools.probe.tls(url, { ca: pem, signal })
  } catch (error) {
    const asked = { what: 'a handshake', host: url.host, now: tools.now() }
    throw noReply(error, asked)
  }
}

function trusted({ protocol, chain }: TlsFacts, now: number): Finding {
  const leaf = chain[0]
  const days = leaf === undefined ? 0 : Math.floor((leaf.validTo - now) / DAY)
  const version = protocol.replace('TLSv', '')
  const message = `${version}; chain ends in "${rootOf(chain)}", leaf valid ${days} ${days === 1 ? 'day' : 'days'}`
  const facts = { protocol, root: rootOf(chain), leafValidDays: days, certificates: chain.length }
  return days < SOON_DAYS
    ? degraded(message, {
        facts,
        hint: `renew the certificate of Conjur before ${day(leaf?.validTo ?? now)}`,
      })
    : passed(message, facts)
}

function worse(one: Finding, other: Finding): Finding {
  return one.outcome === 'degraded' ? one : other
}

/** Who vouches for the last certificate shown: itself, or the one that was not sent. */
function rootOf(chain: readonly ShownCertificate[]): string {
  const last = chain.at(-1)
  return last === undefined ? 'nothing' : last.isRoot ? last.subject : last.issuer
}

interface Shown {
  readonly shown: TlsFacts
  readonly pem: string | undefined
  readonly now: number
}

function distrusted(failure: SendFailure, { shown, pem, now }: Shown): ConjurError {
  const { chain } = shown
  const known = noReply(failure, { what: 'a handshake', host: failure.host, now })
  const hint = known instanceof ConjurError ? known.hint : ''
  return new ConjurError('CONJUR_UNTRUSTED', failure.message, {
    hint: failure.kind === 'tls-untrusted' ? signedBy(chain, pem) : hint,
    facts: { host: failure.host, kind: failure.kind, root: rootOf(chain) },
    lines: [
      ...chain.map((certificate, index) => line(certificate, { index, now })),
      ...(failure.kind === 'tls-wrong-name'
        ? [`valid for    ${(chain[0]?.names ?? []).join(', ') || 'no name at all'}`]
        : []),
      `trusted      ${trustedNames(pem)}`,
    ],
    cause: failure,
  })
}

function line(
  { subject, issuer, isRoot, validFrom, validTo }: ShownCertificate,
  { index, now }: { index: number; now: number },
): string {
  const who = isRoot ? 'signed by itself' : `signed by "${issuer}"`
  const when =
    validTo < now
      ? `expired on ${day(validTo)}`
      : validFrom > now
        ? `valid from ${day(validFrom)}`
        : `valid until ${day(validTo)}`
  return `${index === 0 ? 'chain seen' : '          '}   "${subject}", ${who}, ${when}`
}

function trustedNames(pem: string | undefined): string {
  if (pem === undefined) return 'the public roots, since no CA is configured'
  const names = certificatesIn(pem).map(({ subject }) => `"${subject}"`)
  return names.length === 0 ? 'no certificate that can be read' : names.join(', ')
}

/** What is missing: the right CA, or a certificate between the leaf and a CA that is there. */
function signedBy(chain: readonly ShownCertificate[], pem: string | undefined): string {
  const last = chain.at(-1)
  const wanted = rootOf(chain)
  const trusted = pem === undefined ? [] : certificatesIn(pem)
  if (last !== undefined && !last.isRoot && trusted.some(({ subject }) => subject === wanted)) {
    return `"${wanted}" is trusted, but with another key: put its present certificate into CONJUR_SSL_CERTIFICATE or CONJUR_CERT_FILE`
  }
  if (last?.isRoot === true) {
    return `put the certificate of "${wanted}" into CONJUR_SSL_CERTIFICATE or CONJUR_CERT_FILE, if that is your CA; else something answers in Conjur's place`
  }
  return `"${wanted}" is missing: put its certificate into CONJUR_SSL_CERTIFICATE or CONJUR_CERT_FILE, or have the server send it, if it is an intermediate one`
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
