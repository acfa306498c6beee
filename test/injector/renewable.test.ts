import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:https'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { testCa } from '../support/certificate.ts'
import { underEngine } from '../support/program.ts'

const SCRIPT = join(import.meta.dirname, 'renewable-server.ts')

const [one, two] = await Promise.all([testCa('one'), testCa('two')])
const pair = await one.issue()

/** The server as a process of the engine under test, with times that a test can wait for. */
async function serving({ keepAliveTimeout = 60_000, requestTimeout = 60_000 } = {}) {
  const settings = { ...pair, minVersion: 'TLSv1.2', keepAliveTimeout, requestTimeout }
  const [file, ...words] = underEngine(SCRIPT, JSON.stringify(settings))
  const child = spawn(file, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill()
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const heard = async (): Promise<string> => String((await lines.next()).value)
  const port = Number(await heard())
  return {
    port,
    tell: async (line: string): Promise<void> => {
      child.stdin.write(`${line}\n`)
      expect(await heard()).toBe('done')
    },
  }
}

async function ask(port: number, agent: Agent, path = '/'): Promise<string> {
  const sent = request({ host: '127.0.0.1', port, path, method: 'POST', agent })
  sent.end('hello')
  const [reply] = await once(sent, 'response')
  let text = ''
  for await (const chunk of reply) text += String(chunk)
  return text
}

function agentFor(ca: string): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca })
  onTestFinished(() => {
    agent.destroy()
  })
  return agent
}

/** What a client hears that shakes hands, sends each of `texts` after an answer to the one before, and waits for the end. */
async function heard(port: number, ...texts: readonly string[]): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, ca: one.cert })
  socket.on('error', () => undefined)
  const rest = texts.values()
  const sendNext = (): void => {
    const { value } = rest.next()
    if (value !== undefined) socket.write(value)
  }
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text
    sendNext()
  })
  const { promise, resolve } = Promise.withResolvers<string>()
  socket.on('close', () => {
    resolve(answer)
  })
  socket.on('secureConnect', sendNext)
  return promise
}

const headFor = (path: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n`
const HEAD = headFor('/')

test('P10: a connection that is open stays, the next is served with the new certificate', async () => {
  const { port, tell } = await serving()
  const [kept, later] = [agentFor(one.cert), agentFor(two.cert)]
  await ask(port, kept)
  await tell(JSON.stringify(await two.issue()))

  expect([await ask(port, kept), await ask(port, later)]).toEqual(['hello', 'hello'])
  await expect(ask(port, agentFor(one.cert))).rejects.toThrow(/certificate/)
})

test.each([
  ['nothing', ''],
  ['half of a greeting', '\u0016\u0003\u0001\u0002'],
])('P8: a client that shakes no hands and sends %s is not waited for', async (_what, text) => {
  const { port } = await serving({ requestTimeout: 50 })
  const socket = createConnection(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(text)

  await once(socket, 'close')
})

test.each([
  ['nothing', ''],
  ['half of a head', 'POST / HTT'],
  ['half of a body', `${HEAD}he`],
])('P8: a client that shakes hands and sends %s is not waited for', async (_what, text) => {
  const { port } = await serving({ requestTimeout: 50 })

  expect(await heard(port, text)).not.toContain('200 OK')
})

test.each([
  ['nothing', ''],
  ['half of a head', 'POST / HTT'],
])(
  'after an answer a client may send %s for as long as a connection is kept',
  async (_what, text) => {
    const { port } = await serving({ keepAliveTimeout: 50 })

    expect(await heard(port, `${HEAD}hello`, text)).toMatch(/^HTTP\/1.1 200 OK[^]*hello$/)
  },
)

test('P8: after an answer a client that sends half of a body is not waited for', async () => {
  const { port } = await serving({ requestTimeout: 2000 })

  expect(await heard(port, `${HEAD}hello`, `${HEAD}he`)).toMatch(/^HTTP\/1.1 200 OK[^]*hello$/)
})

test('P8: a request that ends after its answer keeps no connection for ever', async () => {
  const { port } = await serving({ keepAliveTimeout: 500 })

  expect(await heard(port, `${headFor('/early')}he`, 'llo')).toMatch(/early$/)
})

test('an answer may take longer than its request', async () => {
  const { port, tell } = await serving({ requestTimeout: 2000 })
  const asked = ask(port, agentFor(one.cert), '/held')
  // This one is closed by the same bound, and began later.
  await heard(port, '')
  await tell('answer')

  expect(await asked).toBe('hello')
})

test('a client that resets its connection leaves the server serving', async () => {
  const { port } = await serving()
  const plain = createConnection(port, '127.0.0.1')
  const socket = connect({ socket: plain, ca: one.cert, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  plain.on('error', () => undefined)
  await once(socket, 'secureConnect')
  socket.write(`${HEAD}he`)
  plain.resetAndDestroy()

  expect(await ask(port, agentFor(one.cert))).toBe('hello')
})
