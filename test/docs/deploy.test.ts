import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { groupSettings, settings } from '../../src/config/settings.ts'
import { parseBicep } from '../support/bicep.ts'
import { deployFiles, deployText, recipes } from '../support/recipes.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const { version } = parse(read('package.json'))

const files = deployFiles()
const yaml = files.filter((file) => file.endsWith('.yaml'))
const bicep = files.filter((file) => file.endsWith('.bicep'))
/** Files that start an agent or wait for one; the rest belongs to one of them. */
const described = files.filter((file) => !/\.(env|conf|sh)$/.test(file))

test.each(yaml)('deploy/%s is YAML without repeated keys', (file) => {
  const documents = parseAllDocuments(deployText(file))

  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
})

test.each(bicep)('deploy/%s is built as Bicep is', (file) => {
  const { resources } = parseBicep(deployText(file))

  for (const [name, { existing, body }] of resources) {
    expect(body, name).toHaveProperty('name')
    if (!existing) expect(body, name).toHaveProperty('properties')
  }
})

test.each([
  ['a name that nobody declared', 'param a string\nvar b = c\n', 'line 2: c is not declared'],
  ['an interpolated one', "var b = 'x${c.id}'\n", 'line 1: c is not declared'],
  ['a key twice', 'var b = {\n  x: 1\n  x: 2\n}\n', 'line 3: x stands twice'],
  ['an open brace', 'var b = {\n  x: 1\n', 'line 3: wants'],
  ['two values on a line', "var b = [\n  'x' 'y'\n]\n", 'line 2: wants'],
  ['a resource without version', "resource a 'Microsoft.Web/sites' = {}\n", 'line 1: wants'],
  ['a name twice', 'var a = 1\nvar a = 2\n', 'line 2: a is declared twice'],
])('the check of Bicep files finds %s', (_, text, message) => {
  expect(() => parseBicep(text)).toThrow(message)
})

test.each(described)(
  'deploy/%s begins with what backs its volume and what starts first',
  (file) => {
    const [head = ''] = deployText(file).split(/^(?!#|\/\/)/m)

    expect(head).toMatch(/^(#|\/\/) Volume: /m)
    expect(head).toMatch(/^(#|\/\/) Start order: /m)
    if (file !== 'vm/web.service') expect(head).toMatch(/^(#|\/\/) End: /m)
  },
)

const known: ReadonlySet<string> = new Set([
  ...Object.values(settings).map(({ env }) => env),
  ...Object.values(groupSettings).map(({ env }) => env),
])

test.each(files)('deploy/%s names settings that the agent has', (file) => {
  const text = deployText(file).replaceAll(/CONJUR_SECRETS_(PROVIDED|UPDATED)/g, '')
  const named = text.match(/\bCONJUR_\w+/g) ?? []

  expect(named.filter((name) => !known.has(name.replace(/__[A-Z0-9_]+$/, '')))).toEqual([])
})

describe.each(recipes().map((recipe) => [recipe.file, recipe] as const))('%s', (_, recipe) => {
  const { environment, argv } = recipe
  const inMemory = /^(docker-compose|vm|github-actions)/.test(recipe.file)

  test('says what is true of its volume', () => {
    const expected = argv[0] === 'exec' ? undefined : inMemory ? 'true' : 'warn'

    expect(environment['CONJUR_REQUIRE_TMPFS']).toBe(expected)
    expect(deployText(recipe.file)).toMatch(
      argv[0] === 'exec' ? /Volume: none/ : inMemory ? /in memory|tmpfs/ : /disk, not in memory/,
    )
    if (expected === 'warn') expect(deployText(recipe.file)).toContain('`exec`')
  })

  test('holds no secret', () => {
    expect(JSON.stringify(environment)).not.toMatch(/secret_value|api.?key|BEGIN/i)
  })
})

test('every image of the agent is that of this version', () => {
  const tags = files.flatMap((file) =>
    [...deployText(file).matchAll(/(?<![\w.-])conjur-agent:([\w.-]+)/g)].map(([, tag]) => [
      file,
      tag,
    ]),
  )

  expect(tags.length).toBeGreaterThan(8)
  expect(tags.filter(([, tag]) => tag !== version)).toEqual([])
})

test('what the images are made of is where the recipes take it from', () => {
  const dockerfile = read('Dockerfile')

  expect(dockerfile).toContain("'1s|.*|#!/nodejs/bin/node --disable-sigusr1|' dist/main.js")
  expect(dockerfile).toContain('/build/dist /app/dist')
  expect(dockerfile.match(/^USER 65532:65532\nENTRYPOINT \["conjur-agent"\]$/gm)).toHaveLength(2)
  expect(dockerfile).toContain('COPY --from=compiled --chown=0:0 /build/bin/ /usr/local/bin/')
  for (const file of ['exec/Dockerfile', 'functions/Dockerfile']) {
    expect(deployText(file)).toContain('COPY --from=agent /nodejs/bin/node /nodejs/bin/node')
    expect(deployText(file)).toContain('COPY --from=agent /app/dist /opt/conjur-agent')
  }
})

test('GitHub Actions hands every setting of the step to the container', () => {
  const step = parse(deployText('github-actions.yaml')).jobs.test.steps.find(
    ({ env }: { env?: unknown }) => env !== undefined,
  )
  const handed = [...String(step.run).matchAll(/--env (\w+)/g)].map(([, name]) => name)

  expect(new Set(handed)).toEqual(new Set(Object.keys(step.env)))
})

test('the release workflow does nothing until an owner names a registry', () => {
  const { on, jobs, permissions } = parse(read('.github/workflows/release.yaml'))

  expect(on).toEqual({ push: { tags: ['v*'] } })
  expect(permissions).toEqual({})
  for (const job of Object.values<{ if: string }>(jobs)) {
    expect(job.if).toBe("vars.REGISTRY != ''")
  }
})

const analyze = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' })
const systemd = Number(/systemd (\d+)/.exec(analyze.stdout ?? '')?.[1] ?? 0)
if (systemd < 250) {
  process.stderr.write(
    'skipped: the unit is not rated, since there is no systemd-analyze of 250 or later\n',
  )
}

test.skipIf(systemd < 250)(
  'the unit is exposed by 2.0 at most, and systemd finds nothing wrong',
  () => {
    const unit = join(root, 'deploy/vm/conjur-agent.service')
    const rated = spawnSync('systemd-analyze', ['security', '--offline=true', unit], {
      encoding: 'utf8',
    })
    const verified = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })

    expect(
      Number(/Overall exposure level.*: ([\d.]+)/.exec(rated.stdout)?.[1]),
    ).toBeLessThanOrEqual(2)
    expect(verified.stderr).not.toContain('conjur-agent.service:')
  },
)

const pages = [
  'quickstart-azure-container-instances.md',
  'quickstart-vm.md',
  'quickstart-app-service.md',
  'container-apps.md',
  'exec.md',
]

test.each(pages)(
  'docs/%s is a tutorial of at most seven steps whose links lead somewhere',
  (page) => {
    const text = read(`docs/${page}`)
    const steps = text.match(/^## \d\. .*$/gm) ?? []
    const links = [...text.matchAll(/\]\(([^)#]+?)(?:#[^)]*)?\)/g)].map(([, link = '']) => link)

    expect(text).toMatch(/^# .+ \(\d+ min\)\n/)
    expect(steps[0]).toMatch(/where .*(can pull it|the unit finds it)$/)
    expect(steps.length).toBeLessThanOrEqual(7)
    expect(
      text
        .split(/^## \d\. /m)
        .slice(1)
        .filter((step) => !step.includes('**You should now see**')),
    ).toEqual([])
    expect(text).toContain('**instead**')
    expect(text).toMatch(/\n## What happened\n[\s\S]*\n## Clean up\n/)
    expect(links.filter((link) => !existsSync(join(root, 'docs', link)))).toEqual([])
  },
)
