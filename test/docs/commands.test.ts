import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseArguments } from '../../src/cli/args.ts'
import { commands, everywhere, type Command } from '../../src/cli/commands.ts'
import { errorEntries } from '../../src/cli/error-entries.ts'
import { readConfig } from '../../src/config/load.ts'
import { groupSettings, settings } from '../../src/config/settings.ts'
import { kebabCase } from '../../src/config/sources.ts'
import { ENOUGH, findHelm, render } from '../support/helm.ts'
import { manifestFaults } from '../support/manifest-faults.ts'
import { blocksOf, pagePaths, pageText, type Block } from '../support/pages.ts'
import { recordShell, type Started } from '../support/recorded-shell.ts'

/*
 * Every shell block of every page is run by bash with nothing on its PATH, and every program that it
 * would have started is held to what that program takes: ours to the real parser and the table of
 * settings, Helm's to a real rendering, manifests to the injector.
 */

const root = join(import.meta.dirname, '../..')
const helm = findHelm()
if (helm === undefined) {
  process.stderr.write(
    'skipped: Helm commands of the pages are not rendered, since there is no helm\n',
  )
}

const shells = pagePaths()
  .flatMap(blocksOf)
  .filter(
    ({ language, text }) =>
      language === 'sh' || /^\$ (?!cat |npm )/.test(text) || isPlainShell(text),
  )

/** The command lines of `doctor.md` that stand in blocks without a language, and no output. */
function isPlainShell(text: string): boolean {
  return /^(conjur|conjur-agent|az|kubectl) /.test(text)
}

test('no block is left unchecked without a reason, and those with one are few', () => {
  const left = pagePaths()
    .flatMap(blocksOf)
    .filter(({ notRun }) => notRun !== undefined)
    .map(({ page, line, notRun }) => `${page}:${line}: ${notRun}`)
  process.stderr.write(`blocks of the pages that are not checked: ${left.length}\n`)

  expect(left).toEqual([])
})

test.each(shells.map((block) => [`${block.page}:${block.line}`, block] as const))(
  '%s takes what it is given',
  async (_, block) => {
    // The devserver's own suite runs these as they are.
    if (
      block.page === 'docs/devserver.md' &&
      /^(cat|conjur-agent|conjur\(|token=|login|kill) ?/.test(block.text)
    )
      return
    const directory = filesOf(block)

    const { started, variables } = await recordShell(scriptOf(block), directory)

    const faults = [
      ...(await Promise.all(started.map((each) => faultsOf(each, directory)))).flat(),
      ...(await wrongSettings(variables)),
    ]
    expect(faults).toEqual([])
    expect(started.length + Object.keys(variables).length).toBeGreaterThan(0)
  },
)

test.each([
  ['a flag that is not there', 'conjur-agent doctor --untill TLS', '--untill'],
  ['a setting that is not there', 'conjur-agent init --secrets-dir /x', '--secrets-dir'],
  ['a topic that is not there', 'conjur-agent help CONJUR_UNAUTHORISED', 'no topic'],
  ['a command after exec that is not there', 'kubectl exec web -- conjur-agent docter', 'docter'],
  ['a script that is not there', 'npm run dmeo', 'no script dmeo'],
  ['a file that is not there', 'sudo install deploy/vm/agent.nev /etc', 'deploy/vm/agent.nev'],
  ['a program that nobody knows', 'kubctl get pods', 'kubctl'],
  ['a variable that is not there', 'CONJUR_AUTHENTICATER=authn-jwt/prod', 'CONJUR_AUTHENTICATER'],
  ['a value that is none', 'CONJUR_AUTHENTICATOR=prod', 'CONJUR_AUTHENTICATOR'],
])('%s is found', async (_, script, fault) => {
  const { started, variables } = await recordShell(script)

  const faults = [
    ...(await Promise.all(started.map((each) => faultsOf(each, root)))).flat(),
    ...(await wrongSettings(variables)),
  ]
  expect(faults.join('\n')).toContain(fault)
})

const spans = pagePaths().flatMap((page) =>
  [
    ...pageText(page)
      .replaceAll(/^\s*(`{3,}).*\n[\s\S]*?^\s*\1\s*$/gm, '')
      .matchAll(/`(conjur-agent [^`\n]+)`/g),
  ]
    .map(([, span = '']) => [page, span] as const)
    // A command that is only told of in part, and words that stand for something.
    .filter(([, span]) => !/ \d|…|[A-Z]{3,}(?!_)\b|\|/.test(span)),
)

test.each([...new Map(spans.map((span) => [span.join(' '), span])).values()])(
  '%s: `%s` takes what it is given',
  async (_, span) => {
    const { started } = await recordShell(span)

    expect((await Promise.all(started.map((each) => faultsOf(each, root)))).flat()).toEqual([])
  },
)

/** A block's commands: lines after a `$`, or everything. */
function scriptOf({ language, text }: Block): string {
  if (language === 'sh' || !text.startsWith('$ ')) return text
  return [...text.matchAll(/^\$ (.*)$/gm)].map(([, line]) => line).join('\n')
}

/** A directory with the files that the page gives a name, and the certificates that it does not. */
function filesOf({ page }: Block): string {
  const directory = mkdtempSync(join(tmpdir(), 'conjur-agent-page-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  for (const [, name = '', text = ''] of pageText(page).matchAll(
    /^`([\w-]+\.ya?ml)`[^`]*?:?\n\n```yaml\n([\s\S]*?)^```$/gm,
  )) {
    writeFileSync(join(directory, name), text)
  }
  cpSync(join(root, 'deploy'), join(directory, 'deploy'), { recursive: true })
  for (const name of ['conjur.pem', 'both.pem', 'new-ca.pem', 'old-ca.pem']) {
    writeFileSync(join(directory, name), '-----BEGIN CERTIFICATE-----\n')
  }
  return directory
}

/** Programs of others: bash has read the line, and what else they take is theirs. */
const foreign =
  /^(az|aws|gcloud|oc|curl|wget|docker|kind|buildah|node|jq|cat|ls|printf|grep|sed|tar|gzip|git|systemctl|systemd-sysusers|systemd-analyze|journalctl|getent|install|mkdir|cp|rm|chmod|ps|kill|sleep|getcap|strace|apt-get|cosign|openssl|sha256sum|sort|head|date|id|unshare|mount|promtool|python3|time|env|tee|base64|diff|gunzip|zstd|man|source|nsenter|cut|tr|wc|awk|find|xargs|watch|make|go|test|sh)$/

const kubectlVerbs = new Set(
  'apply annotate create delete describe exec get label logs patch rollout run top version wait auth scale port-forward events api-resources cp debug set edit'.split(
    ' ',
  ),
)
const helmVerbs = new Set(
  'install upgrade template test rollback uninstall get version lint package show list history'.split(
    ' ',
  ),
)
const conjurVerbs = new Set(
  'policy variable whoami login authenticate authenticator list init'.split(' '),
)

async function faultsOf(
  { argv, environment, stdin }: Started,
  directory: string,
): Promise<readonly string[]> {
  const [program = '', ...words] = argv
  const paths = words.filter(
    (word) =>
      /^(deploy|charts|docs|test|src|bench)\/[\w./-]*$/.test(word) && !existsSync(join(root, word)),
  )
  const own = [...paths.map((path) => `there is no ${path}`), ...(await wrongSettings(environment))]
  switch (program) {
    case 'sudo':
      return [...own, ...(await faultsOf({ argv: words, environment, stdin }, directory))]
    case 'conjur-agent':
      return [...own, ...ourFaults(words)]
    case 'node':
      return words[0] === 'dist/main.js' ? [...own, ...ourFaults(words.slice(1))] : own
    case 'npm':
    case 'npx':
      return [...own, ...npmFaults(words)]
    case 'kubectl':
      return [...own, ...(await kubectlFaults(words, stdin))]
    case 'helm':
      return [...own, ...(await helmFaults(words, directory))]
    case 'conjur':
      return conjurVerbs.has(words[0] ?? '') ? own : [...own, `conjur ${words[0]}`]
    default:
      return foreign.test(program) ? own : [...own, `nobody knows the program ${program}`]
  }
}

const settingFlags = new Set(Object.keys(settings).map(kebabCase))

function ourFaults(words: readonly string[]): readonly string[] {
  try {
    const { command, flags, positionals } = parseArguments(words, {})
    if (command === 'help' && positionals[0] !== undefined) return topicFaults(positionals[0])
    const row: Command | undefined = Object.entries<Command>(commands).find(
      ([name]) => name === command,
    )?.[1]
    const known = new Set([...Object.keys(everywhere), ...Object.keys(row?.flags ?? {})])
    return Object.keys(flags)
      .filter((flag) => !known.has(flag) && !settingFlags.has(flag))
      .map((flag) => `no setting --${flag}`)
  } catch (error) {
    return [String(error)]
  }
}

function topicFaults(topic: string): readonly string[] {
  const topics = [
    ...Object.keys(commands),
    ...Object.keys(errorEntries),
    ...Object.values(settings).map(({ env }) => env),
    ...Object.keys(settings),
    'settings',
    'exit-codes',
  ]
  return topics.includes(topic) ? [] : [`no topic ${topic}`]
}

function npmFaults(words: readonly string[]): readonly string[] {
  if (words[0] !== 'run') return []
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const name = words.slice(1).find((word) => !word.startsWith('-')) ?? ''
  return Object.hasOwn(scripts, name) ? [] : [`no script ${name}`]
}

async function kubectlFaults(words: readonly string[], stdin: string): Promise<readonly string[]> {
  const bare = words.filter(
    (word, index) =>
      !word.startsWith('-') && !['-n', '--namespace', '--context'].includes(words[index - 1] ?? ''),
  )
  const verb = bare[0] ?? ''
  const end = words.indexOf('--')
  const inside = end === -1 ? [] : words.slice(end + 1)
  const patch = words[words.indexOf('-p') + 1]
  return [
    ...(kubectlVerbs.has(verb) ? [] : [`kubectl ${verb}`]),
    ...(inside[0] === 'conjur-agent' ? ourFaults(inside.slice(1)) : []),
    ...(verb === 'apply' && stdin !== '' ? await manifestFaults(stdin) : []),
    ...(verb === 'patch' && patch !== undefined ? await patchFaults(patch) : []),
  ]
}

/** What `kubectl patch` would make of a Deployment, shown to the injector. */
async function patchFaults(patch: string): Promise<readonly string[]> {
  const { spec, ...rest } = JSON.parse(patch)
  const containers = [{ name: 'web', image: 'web' }]
  const template = { ...spec.template, spec: { containers } }
  return manifestFaults(
    JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      ...rest,
      spec: { template },
    }),
  )
}

async function helmFaults(words: readonly string[], directory: string): Promise<readonly string[]> {
  const bare = words.filter(
    (word, index) =>
      !word.startsWith('-') && !['-n', '--namespace'].includes(words[index - 1] ?? ''),
  )
  const verb = bare[0] ?? ''
  if (!helmVerbs.has(verb)) return [`helm ${verb}`]
  const chart = words.find((word) => word.startsWith('charts/'))
  if (helm === undefined || chart === undefined || !/^(install|upgrade|template)$/.test(verb))
    return []
  const valued = new Set(['--set', '--set-file', '-f', '--values', '--set-string', '--set-json'])
  const flags = words.flatMap((word, index) => {
    const before = words[index - 1] ?? ''
    if (valued.has(word)) return [word]
    if (before === '--set-file') return [word.replace('=', `=${directory}/`)]
    if (before === '-f' || before === '--values')
      return [join(existsSync(join(directory, word)) ? directory : root, word)]
    return valued.has(before) ? [word] : []
  })
  const set = words.includes('--reuse-values') || words.includes('values.yaml') ? ENOUGH : []
  const given = flags.filter((word) => !word.endsWith('/values.yaml') || existsSync(word))
  return render(helm, {
    chart: join(root, chart),
    set,
    flags: given.at(-1) === '-f' ? given.slice(0, -1) : given,
  }).then(
    () => [],
    (error: unknown) => [error instanceof Error ? error.message : 'helm refuses it'],
  )
}

const known = new Set([
  ...Object.values(settings).map(({ env }) => env),
  ...Object.values(groupSettings).map(({ env }) => env),
  'CONJUR_CONFIG_FILE',
])
const others = /^(CONJUR_AUTHENTICATORS|CONJUR_AGENT_\w+)$/

/** Variables that no setting has, and values that theirs does not take. */
async function wrongSettings(
  variables: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const ours = Object.entries(variables).filter(
    ([name]) => name.startsWith('CONJUR_') && !others.test(name),
  )
  const unknown = ours.filter(([name]) => !known.has(name.replace(/__[A-Z0-9_]+$/, '')))
  if (ours.length === 0) return []
  const environment = {
    CONJUR_APPLIANCE_URL: 'https://conjur.example.com',
    CONJUR_ACCOUNT: 'acme',
    CONJUR_AUTHENTICATOR: 'authn-jwt/prod',
    ...Object.fromEntries(ours.filter(([, value]) => !value.includes('…'))),
  }
  const { problems } = await readConfig({
    flags: {},
    environment,
    annotations: undefined,
    file: undefined,
  })
  const named = new Set(ours.map(([name]) => name))
  return [
    ...unknown.map(([name]) => `no setting ${name}`),
    ...problems.filter(({ name }) => named.has(name)).map(({ name, what }) => `${name} ${what}`),
  ]
}
