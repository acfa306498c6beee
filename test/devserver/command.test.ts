import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, watch } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { sourceProgram } from '../support/program.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { ask, tokenFor } from './client.ts'

interface Ready {
  readonly url: string
  readonly account: string
  readonly caFile: string
  readonly adminApiKeyFile: string
  readonly authenticators: readonly string[]
}

/** Starts the command and waits for its one line. */
async function started(...flags: string[]) {
  const [program, ...words] = sourceProgram(['devserver', ...flags])
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const errors: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line))
  const lines = createInterface({ input: child.stdout })
  const seen: string[] = []
  lines.on('line', (line) => seen.push(line))
  const [line] = await once(lines, 'line')
  const ready: Ready = JSON.parse(String(line))
  return {
    ready,
    errors,
    stdout: seen,
    ca: await readFile(ready.caFile, 'utf8'),
    adminApiKey: await readFile(ready.adminApiKeyFile, 'utf8'),
    async end(signal: 'SIGTERM' | 'SIGINT'): Promise<number | null> {
      const exited = once(child, 'exit')
      child.kill(signal)
      const [code] = await exited
      return typeof code === 'number' ? code : null
    },
  }
}

/** Runs the command to an end of its own. */
async function ended(
  ...flags: string[]
): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const [program, ...words] = sourceProgram(['devserver', ...flags])
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()))
  const [code] = await once(child, 'close')
  return { code, ...said }
}

describe('conjur-agent devserver', () => {
  test('says in one line of JSON where it is, serves policy and values, and ends with 0 on SIGTERM (P7)', async () => {
    await using directory = await temporaryDirectory()
    const file = (name: string): string => join(directory.path, name)
    await writeFile(
      file('web.yml'),
      '- !host web\n- !variable v\n- !permit { role: !host web, privileges: [ read, execute ], resource: !variable v }\n',
    )
    await writeFile(file('values.yml'), 'v: { base64: AAH/ }\n')

    const server = await started(
      '--policy',
      file('web.yml'),
      '--values',
      file('values.yml'),
      '--account',
      'acme',
      '--ca-out',
      file('ca.pem'),
      '--admin-api-key',
      'adminkey',
    )
    const at = {
      url: server.ready.url,
      ca: await readFile(file('ca.pem'), 'utf8'),
      account: 'acme',
    }
    const admin = await tokenFor(at, 'admin', 'adminkey')
    const value = await ask(at, { path: '/secrets/acme/variable/v', headers: admin })
    const code = await server.end('SIGTERM')

    expect(value.body).toEqual(Buffer.from([0, 1, 255]))
    expect(server.adminApiKey).toBe('adminkey')
    expect(server.errors[0]).toContain('a development server, no Conjur')
    expect(server.errors.join('\n')).toContain(
      'acme:user:admin successfully authenticated with authenticator authn',
    )
    expect(code).toBe(0)
    expect(existsSync(server.ready.adminApiKeyFile)).toBe(false)
  })

  test('with --explain and --audit: sentences on stderr, records on stdout, the log in its file, 0 on SIGINT', async () => {
    await using directory = await temporaryDirectory()
    const log = join(directory.path, 'conjur.log')

    const server = await started('--explain', '--audit', '--log', log)
    const at = { url: server.ready.url, ca: server.ca, account: 'dev' }
    await ask(at, { method: 'POST', path: '/authn/dev/nobody/authenticate', body: 'x' })
    const code = await server.end('SIGINT')

    expect(server.errors).toContain(
      "401 authn nobody CONJ00007E no policy declares user nobody; a host's login begins with host/",
    )
    expect(JSON.parse(server.stdout[1] ?? '')).toMatchObject({
      event: 'authenticate',
      success: false,
      role: 'dev:user:nobody',
    })
    expect(await readFile(log, 'utf8')).toContain(
      "CONJ00048I Authentication Error: CONJ00007E 'nobody' not found",
    )
    expect(code).toBe(0)
  })

  test('told to stop while it still starts, it ends with 0 and leaves nothing behind (P7)', async () => {
    await using directory = await temporaryDirectory()
    const watcher = watch(directory.path)
    const [program, ...words] = sourceProgram(['devserver'])
    const child = spawn(program, words, {
      stdio: 'ignore',
      env: { ...process.env, TMPDIR: directory.path },
    })
    const exited = once(child, 'exit')
    // Its directory is the first sign of life: from then on there is something to leave behind.
    while (readdirSync(directory.path).length === 0) await once(watcher, 'change')
    watcher.close()
    child.kill('SIGTERM')

    const [code] = await exited

    expect(code).toBe(0)
    expect(readdirSync(directory.path)).toEqual([])
  })

  test('plays what it is told to', async () => {
    const server = await started('--play', 'dap,base=/api,unavailable:60s', '--token-ttl', '20s')
    const at = { url: server.ready.url, ca: server.ca }

    const reply = await ask(at, { path: '/api/authenticators' })
    await server.end('SIGTERM')

    expect(server.ready.url).toMatch(/\/api$/)
    expect(reply.status).toBe(503)
  })

  test.each([
    [['--listen', '0.0.0.0:0'], 2, 'devserver: --listen 0.0.0.0 is no loopback address'],
    [['--listen', 'x'], 2, 'devserver: --listen takes HOST:PORT, not x'],
    [['--token-ttl', 'soon'], 2, 'devserver: --token-ttl takes a time such as 20s or 8m, not soon'],
    [['--play', 'fire'], 2, 'devserver: --play does not know fire'],
    [
      ['--policy', '/nowhere.yml'],
      3,
      'CONFIG_UNREADABLE: --policy /nowhere.yml cannot be read (ENOENT)',
    ],
  ])('%j ends with %i and two lines', async (flags, code, message) => {
    const end = await ended(...flags)

    expect(end.code).toBe(code)
    expect(end.stdout).toBe('')
    expect(end.stderr.split('\n')).toMatchObject([
      expect.stringContaining(message),
      expect.stringMatching(/^hint: /),
      '',
    ])
  })

  test('a policy that cannot be loaded ends with 3 and names file and line', async () => {
    await using directory = await temporaryDirectory()
    const policy = join(directory.path, 'web.yml')
    await writeFile(policy, '- !host web\n- !nonsense x\n')

    const end = await ended('--policy', policy)

    expect(end).toMatchObject({
      code: 3,
      stderr:
        "CONFIG_INVALID: web.yml:2: Unrecognized data type '!nonsense'\nhint: correct that line; a policy knows !policy, !user, !host, !group, !layer, !variable, !webservice, !host-factory, !grant, !revoke, !permit, !deny, !delete\n",
    })
  })

  test('what it may be reached from is warned about where that is not this machine alone', async () => {
    const server = await started('--listen', '0.0.0.0:0', '--allow-remote')
    await server.end('SIGTERM')

    expect(server.errors.join('\n')).toContain(
      '! this devserver can be reached from other machines',
    )
  })

  test('its help names everything that is answered with 501', async () => {
    const routes = await readFile(new URL('../../src/devserver/routes.ts', import.meta.url), 'utf8')
    const absent = [...routes.matchAll(/absent\('([^']+)'\)/g)].map(([, what]) => what ?? '')
    const notes: string = commands.devserver.notes.join(' ')

    const missing = [...absent, 'authn-iam', 'authn-k8s', 'authn-ldap'].filter(
      (what) => !notes.includes(what),
    )

    expect(absent.length).toBeGreaterThan(5)
    expect(missing).toEqual([])
  })
})
