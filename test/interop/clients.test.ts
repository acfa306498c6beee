import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { startDevserver } from '../../src/devserver/server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { serviceAccountClaims, tokenMaker } from '../support/token-maker.ts'

const run = promisify(execFile)
const here = new URL('.', import.meta.url).pathname
const cache = new URL('../../node_modules/.cache/conjur-agent-interop', import.meta.url).pathname
const SETUP_MS = 240_000

const policy = `
- !policy
  id: conjur/authn-jwt/prod
  body:
  - !webservice
  - !variable public-keys
  - !variable issuer
  - !variable token-app-property
  - !variable identity-path
  - !group clients
  - !permit { role: !group clients, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: app
  body:
  - !host
    id: web
    annotations: { authn-jwt/prod/sub: system:serviceaccount:shop:web }
  - !group readers
  - &values
    - !variable password
    - !variable unicode
  - !variable binary
  - !permit { role: !group readers, privileges: [ read, execute ], resources: *values }
  - !grant { role: !group readers, member: !host web }
- !grant { role: !group conjur/authn-jwt/prod/clients, member: !host app/web }
`
const patch = '- !revoke { role: !group app/readers, member: !host app/web }\n'

describe('clients that others wrote work against the devserver unchanged', () => {
  test('the official Python client', { timeout: SETUP_MS }, async ({ skip }) => {
    const python = await pythonWithClient().catch((error: unknown) => why(error))
    if (typeof python !== 'string') {
      skip(`no Python client: ${python.reason}`)
      return
    }
    await using stage = await staged()

    const seen = await stage.run(python, [join(here, 'python/client.py')])

    expect(seen).toEqual({
      login_yields_key: true,
      created: ['acme:host:app/web'],
      rehearsal: 'Valid YAML',
      single: 'p@ss & <word>',
      versions: ['p@ss & <word>', 'second'],
      many: { 'app/password': 'second', 'app/unicode': 'grüße 🔑' },
      host_reads: 'second',
      host_writes: 'HttpStatusError 403',
      host_sees: ['acme:variable:app/password', 'acme:variable:app/unicode'],
      whoami_by_jwt: 'host/app/web',
      jwt_reads: 'grüße 🔑',
      bad_jwt: 'HttpStatusError 401',
      may_execute: true,
      missing: false,
      role_exists: true,
      members: ['acme:host:app/web', 'acme:policy:app'],
      permitted: [
        'acme:group:app/readers',
        'acme:host:app/web',
        'acme:policy:app',
        'acme:user:admin',
      ],
      rotated: 'host/app/web',
      old_key: 'HttpStatusError 401',
      after_patch: 'HttpStatusError 404',
    })
  })

  test('the official Go client', { timeout: SETUP_MS }, async ({ skip }) => {
    const program = await goProgram().catch((error: unknown) => why(error))
    if (typeof program !== 'string') {
      skip(`no Go client: ${program.reason}`)
      return
    }
    await using stage = await staged()

    const seen = await stage.run(program, [])

    expect(seen).toEqual({
      created: ['acme:host:app/web'],
      who: 'host/app/web',
      batch: {
        'acme:variable:app/password': 'p@ss & <word>',
        'acme:variable:app/unicode': 'grüße 🔑',
      },
      safe: 'AAH/',
      single: 'p@ss & <word>',
      forbidden: 404,
      may: true,
      resources: 2,
      afterPatch: 403,
    })
  })
})

/** A server, a token for its host, and the files a client is given. */
async function staged() {
  const directory = await temporaryDirectory()
  const server = await startDevserver({ account: 'acme', authenticators: ['authn-jwt/prod'] })
  const maker = await tokenMaker({ issuer: 'https://idp.example.com', now: Date.now })
  const file = (name: string): string => join(directory.path, name)
  await writeFile(file('ca.pem'), server.ca)
  await writeFile(file('policy.yml'), policy)
  await writeFile(file('patch.yml'), patch)
  const jwt = {
    issuer: maker.issuer,
    keys: { type: 'jwks', value: maker.jwks },
    token: await maker.make(serviceAccountClaims()),
  }
  return {
    async run(program: string, args: readonly string[]): Promise<unknown> {
      const given = [
        server.url,
        'acme',
        file('ca.pem'),
        server.adminApiKey,
        file('policy.yml'),
        file('patch.yml'),
        JSON.stringify(jwt),
      ]
      const { stdout } = await run(program, [...args, ...given], {
        env: { ...process.env, HOME: directory.path },
      })
      return JSON.parse(stdout)
    },
    async [Symbol.asyncDispose]() {
      await server.close()
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** A Python that has the client, set up once for these requirements. */
async function pythonWithClient(): Promise<string> {
  const requirements = join(here, 'python/requirements.txt')
  return cached('python', readFileSync(requirements), async (directory) => {
    await run('python3', ['-m', 'venv', directory])
    await run(join(directory, 'bin/pip'), [
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '-r',
      requirements,
    ])
    return 'bin/python'
  })
}

/** The Go program, built once for this source. */
async function goProgram(): Promise<string> {
  const sources = ['main.go', 'go.mod', 'go.sum'].map((name) =>
    readFileSync(join(here, 'go', name)),
  )
  return cached('go', Buffer.concat(sources), async (directory) => {
    await mkdir(directory, { recursive: true })
    await run('go', ['build', '-o', join(directory, 'client'), '.'], { cwd: join(here, 'go') })
    return 'client'
  })
}

async function cached(
  name: string,
  source: Buffer,
  make: (directory: string) => Promise<string>,
): Promise<string> {
  const directory = join(
    cache,
    `${name}-${createHash('sha256').update(source).digest('hex').slice(0, 12)}`,
  )
  const marker = `${directory}.made`
  if (existsSync(marker)) return join(directory, readFileSync(marker, 'utf8'))
  await mkdir(cache, { recursive: true })
  await rm(directory, { recursive: true, force: true })
  const program = await make(directory)
  await writeFile(`${marker}.new`, program)
  await rename(`${marker}.new`, marker)
  return join(directory, program)
}

function why(error: unknown): { readonly reason: string } {
  const said = error instanceof Error ? error.message : String(error)
  return { reason: said.split('\n').slice(0, 2).join(' ') }
}
