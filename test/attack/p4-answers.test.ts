import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { afterEach, expect, test, vi } from 'vitest'
import type { AgentProcess } from '../support/agent-process.ts'
import { record, stopwatch } from '../support/attack.ts'
import { testCa } from '../support/certificate.ts'
import { loopbackServer, type LoopbackServer } from '../support/loopback-server.ts'
import { revoke } from '../support/revoke.ts'
import { workbench, type Workbench } from '../support/workbench.ts'

const VARIABLES = 500
/** Passes that meet an answer before the next one comes: a second one is what removes, where anything does. */
const PASSES = 3

interface Answer {
  readonly status: number
  readonly body?: string
  readonly type?: string
}

const html = 'text/html'
const json = 'application/json'

/** What does not come from Conjur, or not about a variable, however much it looks so. */
const answers: Readonly<Record<string, Answer>> = {
  'a firewall’s 403 in HTML': { status: 403, body: '<html>Request blocked</html>', type: html },
  'a proxy’s 404 in HTML': { status: 404, body: '<html>Not Found</html>', type: html },
  'an empty 404, as of a wrong base path': { status: 404 },
  'a 404 in JSON of something else': { status: 404, body: '{"error":"Not found"}', type: json },
  'a 404 with another code of Conjur': {
    status: 404,
    body: '{"error":{"code":"not_found","message":"CONJ00123E no such account"}}',
    type: json,
  },
  'a 404 with the right code about another variable': {
    status: 404,
    body: '{"error":{"code":"not_found","message":"CONJ00076E Variable acme:variable:other is empty or not found."}}',
    type: json,
  },
  'a portal’s 200 in HTML': { status: 200, body: '<html>Sign in</html>', type: html },
  'a 200 without a value': { status: 200, body: '{}', type: json },
  'a 200 with null for a value': {
    status: 200,
    body: '{"acme:variable:apps/api-key":null}',
    type: json,
  },
  'a 401': { status: 401, body: 'Unauthorized' },
  'a 410': { status: 410 },
  'a 422 in JSON': { status: 422, body: '{"error":{"code":"x","message":"y"}}', type: json },
  'a 500': { status: 500 },
  'a 503 in HTML': { status: 503, body: '<html>No server is available</html>', type: html },
}

let bench: Workbench
let front: LoopbackServer
let upstream: Agent

afterEach(async () => {
  await bench[Symbol.asyncDispose]()
  await front.close()
  await upstream.close()
})

test(`P4 nothing that proxies, firewalls and wrong addresses say removes one of ${VARIABLES} values; what is truly revoked goes, alone`, async () => {
  bench = await workbench({ variables: VARIABLES })
  const ca = await testCa()
  const took = stopwatch()
  upstream = new Agent({ connect: { ca: bench.conjur.ca } })
  let wrong: Answer | undefined
  let met = 0
  let firstBatch: string | undefined
  front = await loopbackServer(
    (asked, response) => {
      const isRead = (asked.url ?? '').startsWith('/secrets')
      if (isRead) firstBatch ??= asked.url
      if (wrong === undefined || !isRead) {
        void forward(asked, response)
        return
      }
      // The batch that every pass begins with; halves of it are others.
      if (asked.url === firstBatch) met++
      const { status, body = '', type } = wrong
      response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end(body)
    },
    await ca.issue(),
  )
  for (let index = 0; index < VARIABLES; index++)
    bench.conjur.setValue(`apps/many/${index}`, `value-${index}`)
  const config = join(bench.directory, 'agent.json')
  const names = Array.from({ length: VARIABLES }, (_, index) => ({
    [`v${index}`]: `apps/many/${index}`,
  }))
  const secrets = [...names, { key: 'apps/api-key' }]
  writeFileSync(config, JSON.stringify({ groups: { many: { secrets, format: 'json' } } }))
  const agent = bench.start(['sidecar'], {
    CONJUR_CONFIG_FILE: config,
    CONJUR_APPLIANCE_URL: front.url.origin,
    CONJUR_SSL_CERTIFICATE: ca.cert,
    CONJUR_SECRETS_REFRESH_INTERVAL: '1s',
    RETRY_INTERVAL_SEC: '1',
  })
  await agent.line(({ code }) => code === 'PUBLISHED')
  const before = held()
  expect(Object.keys(before)).toHaveLength(VARIABLES + 1)
  const lost: string[] = []

  for (const [name, answer] of Object.entries(answers)) {
    met = 0
    wrong = answer
    await asking(agent, () => expect(met, name).toBeGreaterThanOrEqual(PASSES))
    wrong = undefined
    if (JSON.stringify(held()) !== JSON.stringify(before)) lost.push(name)
    bench.conjur.setValue('apps/many/0', name)
    await asking(agent, () => expect(held()['v0'], name).toBe(name))
    before['v0'] = name
  }
  await revoke(bench.conjur, 'api-key')
  await asking(agent, () => expect(held()).not.toHaveProperty('key'))

  const { key: _key, ...rest } = before
  const kept = Object.entries(rest).filter(([name, value]) => held()[name] === value)
  record('P4 answers', {
    tried: {
      'values in one group': VARIABLES + 1,
      'misleading answers, each in three passes or more': Object.keys(answers).length,
      'values truly revoked, which went': 1,
    },
    lost: {
      'misleading answers that changed the set': lost.length,
      'values that went beside the revoked one': VARIABLES - kept.length,
    },
    seconds: took(),
  })
  expect(lost).toEqual([])
  expect(held()).toEqual(rest)
  expect(readdirSync(bench.secrets).filter((name) => !name.startsWith('..'))).toHaveLength(2)
}, 240_000)

/** Waits for a fact, and has the agent make one pass after the other until then. */
function asking(agent: AgentProcess, check: () => void): Promise<void> {
  const look = (): void => {
    agent.kill('SIGHUP')
    check()
  }
  return vi.waitFor(look, { timeout: 60_000, interval: 100 })
}

/** Hands a request on to the devserver, and its answer back. */
async function forward(asked: IncomingMessage, response: ServerResponse): Promise<void> {
  const { host: _host, ...headers } = asked.headers
  const {
    statusCode,
    headers: given,
    body,
  } = await request(`${bench.conjur.url}${asked.url}`, {
    method: asked.method === 'POST' ? 'POST' : 'GET',
    headers,
    body: asked.method === 'POST' ? asked : null,
    dispatcher: upstream,
  })
  response.writeHead(statusCode, given).end(Buffer.from(await body.arrayBuffer()))
}

function held(): Record<string, string> {
  const text = readFileSync(join(bench.secrets, 'many.json'), 'utf8')
  return JSON.parse(text) as Record<string, string>
}
