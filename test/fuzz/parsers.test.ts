import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { parseWaking } from '../../src/agent/waking.ts'
import { parseArguments } from '../../src/cli/args.ts'
import { viewOf } from '../../src/cli/status.ts'
import { parseAnnotations } from '../../src/config/annotations.ts'
import { parseDuration } from '../../src/config/duration.ts'
import { loadConfig } from '../../src/config/load.ts'
import { parseSecretList } from '../../src/config/secret-list.ts'
import { settings } from '../../src/config/settings.ts'
import { parseAccessToken } from '../../src/conjur/access-token.ts'
import { readAuthenticators } from '../../src/conjur/inspect.ts'
import { readBatchReply, readVariableReply } from '../../src/conjur/retrieve.ts'
import { AgentError } from '../../src/core/errors.ts'
import { retryAfterMs } from '../../src/core/http.ts'
import { challengeFile } from '../../src/identity/arc-challenge.ts'
import { tokenOutcome, type Place } from '../../src/identity/ask.ts'
import { credentialsIn } from '../../src/identity/aws-reply.ts'
import { findingsOf, readMirid } from '../../src/identity/claims.ts'
import type { Outcome } from '../../src/identity/persist.ts'
import { readPlatformToken } from '../../src/identity/source.ts'
import { fits, splitBundle, validityOf } from '../../src/injector/certificate.ts'
import { parseQuantity } from '../../src/injector/quantity.ts'
import { readPod, readReview } from '../../src/injector/pod.ts'
import { proxyFor } from '../../src/net/proxy.ts'
import { readCa } from '../../src/net/trusted-ca.ts'
import { TemplateError } from '../../src/outputs/gotemplate/template-error.ts'
import { renderTemplate } from '../../src/outputs/gotemplate/render-template.ts'
import { headersOf } from '../../src/telemetry/traces.ts'
import { reply } from '../support/scripted-send.ts'

const RUNS = Number(process.env['CONJUR_AGENT_FUZZ_RUNS'] ?? 300)
const CANARY = 'canary-5b1d'
const CORPUS = join(import.meta.dirname, 'corpus')

const place: Place = { name: 'a service', silenceHint: 'look there', again: { waitsMs: [] } }
const directory = mkdtempSync(join(tmpdir(), 'conjur-agent-fuzz-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** What reads bytes from outside: whatever they are, it yields a value or an AgentError that shows none of them. */
const readers: Readonly<Record<string, (text: string) => unknown>> = {
  annotations: (text) => parseAnnotations(text),
  list: (text) => parseSecretList(text),
  duration: (text) => parseDuration(text),
  quantity: (text) => parseQuantity(text),
  template: (text) => renderTemplate(text, [{ alias: 'a', value: Buffer.from(CANARY) }]),
  'access-token': (text) => parseAccessToken(text),
  'platform-token': (text) => {
    const origin = { from: 'a file', now: 0 }
    return findingsOf(readPlatformToken(text, origin), 'authn-azure')
  },
  mirid: (text) => readMirid(text),
  pod: (text) => readPod(json(text)),
  review: (text) => readReview(json(text)),
  variable: (text) => readVariableReply(reply(200, text, { 'content-type': 'text/plain' })),
  batch: (text) =>
    readBatchReply(
      reply(200, text, { 'content-encoding': 'base64' }),
      { applianceUrl: new URL('https://conjur.example.com'), account: 'acme' },
      ['a'],
    ),
  certificates: async (text) => {
    for (const cert of [text, ...splitBundle(text)]) {
      validityOf(cert)
      fits({ cert, key: text }, text)
    }
    const file = join(directory, 'ca.pem')
    writeFileSync(file, text)
    return readCa({ file })
  },
  'token-reply': (text) =>
    valueOf(tokenOutcome(accessTokenIn(text), reply(200, text), { place, now: 0 })),
  'aws-reply': (text) => valueOf(credentialsIn(reply(200, text), { place, now: 0 })),
  status: (text) => viewOf(text, 'agent.json'),
  challenge: (text) => {
    const file = challengeFile(text, '/var/opt/azcmagent/tokens')
    if (file !== undefined) expect(file).toMatch(/^\/var\/opt\/azcmagent\/tokens\/[^/]+\.key$/)
  },
  'no-proxy': (text) => {
    const rules = { proxy: new URL('http://proxy.example.com'), except: text.split(',') }
    for (const host of ['conjur.example.com', '10.1.2.3', '[fd00::1]:8443']) {
      proxyFor(new URL(`https://${host}`), rules)
    }
  },
  authenticators: (text) => readAuthenticators(reply(200, text)),
  'retry-after': (text) => retryAfterMs(reply(503, '', { 'retry-after': text }), 0),
  waking: (text) => parseWaking(text),
  arguments: (text) => parseArguments(text.split(' '), {}),
  headers: (text) => headersOf(text),
  settings: async (text) => {
    for (const { env } of Object.values(settings)) {
      await loadConfig({
        flags: {},
        annotations: undefined,
        file: undefined,
        environment: { [env]: text },
      }).catch((error: unknown) => {
        if (!(error instanceof AgentError)) throw error
      })
    }
  },
  'config-file': (text) =>
    loadConfig({
      flags: {},
      annotations: undefined,
      file: { name: 'f', value: json(text) },
      environment: {},
    }),
}

/** What came of it; its error is thrown, as the pass does. */
function valueOf<T>(outcome: Outcome<T>): T {
  if ('error' in outcome) throw outcome.error
  return outcome.value
}

function accessTokenIn(text: string): string | undefined {
  const found = json(text)
  if (typeof found !== 'object' || found === null || !('access_token' in found)) return undefined
  return typeof found.access_token === 'string' ? found.access_token : undefined
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Reads, and looks at what comes of it. */
async function tried(name: string, text: string): Promise<void> {
  try {
    await readers[name]?.(text)
  } catch (error) {
    // A template's own error names line and column; the group that holds it makes an AgentError of it.
    if (error instanceof TemplateError) {
      expect(error.message).not.toContain(CANARY)
      return
    }
    if (!(error instanceof AgentError)) throw error
    expect(`${error.message}${error.hint}${error.lines.join('')}`).not.toContain(CANARY)
    expect(error.hint).not.toBe('')
  }
}

const seeds = new Map(
  readdirSync(CORPUS).map((file) => [
    file.replace(/\..*$/, ''),
    readFileSync(join(CORPUS, file), 'utf8').split('\n%%\n'),
  ]),
)

/** Texts of every kind: noise, JSON of any shape, and what the corpus holds with pieces cut, doubled and put in. */
function texts(name: string): fc.Arbitrary<string> {
  const known = seeds.get(name) ?? ['']
  const mangled = fc
    .tuple(
      fc.constantFrom(...known),
      fc.nat(),
      fc.nat(60),
      fc.string({ unit: 'binary', maxLength: 12 }),
    )
    .map(([text, at, cut, put]) => {
      const from = text.length === 0 ? 0 : at % text.length
      return text.slice(0, from) + put + text.slice(from + cut)
    })
  return fc.oneof(mangled, fc.string({ unit: 'binary', maxLength: 200 }), fc.json())
}

test.each(Object.keys(readers))(
  'P6 whatever is read as %s ends in a value or in an error that says what to do',
  async (name) => {
    const runs = name === 'settings' ? Math.ceil(RUNS / 20) : RUNS
    await fc.assert(
      fc.asyncProperty(texts(name), (text) => tried(name, text)),
      { numRuns: runs },
    )
  },
  600_000,
)

test.each(
  [...seeds].flatMap(([name, list]) => list.map((text, index) => [name, index, text] as const)),
)('the corpus of %s, %i, is read', async (name, _index, text) => {
  expect(readers).toHaveProperty([name])
  await tried(name, text)
})
