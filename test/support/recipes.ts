import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { parseBicep } from './bicep.ts'

const root = join(import.meta.dirname, '../..')

/** What one manifest under deploy/ starts the agent with. */
export interface Recipe {
  readonly file: string
  /** What follows the program's name. */
  readonly argv: readonly string[]
  /** Its own environment block; `${…}` is what the deployment fills in. */
  readonly environment: Readonly<Record<string, string>>
  /** The agent's image, where there is one. */
  readonly image?: string
  /** Docker's health check of the agent, where there is one. */
  readonly healthcheck?: readonly string[]
  /** Where its identity comes from. */
  readonly platform: 'imds' | 'app-service' | 'github'
  readonly identity: 'user' | 'system'
}

/** Every file below deploy/ but the Kubernetes manifests, which have suites of their own. */
export function deployFiles(): readonly string[] {
  return readdirSync(join(root, 'deploy'), { recursive: true, encoding: 'utf8' })
    .filter((file) => !file.startsWith('kubernetes') && statSync(at(file)).isFile())
    .toSorted((a, b) => a.localeCompare(b))
}

/** The text of a file below deploy/. */
export function deployText(file: string): string {
  return readFileSync(at(file), 'utf8')
}

/** The recipes, each read from its manifest. */
export function recipes(): readonly Recipe[] {
  const dockerfile = image('functions/Dockerfile')
  const ofExec = image('exec/Dockerfile')
  const exec = container('azure-container-instances-exec.yaml')
  const group = container('azure-container-instances.bicep')
  const { CONJUR_AUTHN_AZURE_CLIENT_ID: _, ...withoutSelector } = group.environment
  return [
    { ...container('azure-container-instances.yaml'), platform: 'imds', identity: 'user' },
    {
      ...container('azure-container-instances-system-assigned.yaml'),
      platform: 'imds',
      identity: 'system',
    },
    { ...container('azure-container-instances-job.yaml'), platform: 'imds', identity: 'user' },
    { ...exec, platform: 'imds', identity: 'user' },
    { ...exec, ...ofExec, platform: 'imds', identity: 'user' },
    { ...group, platform: 'imds', identity: 'user' },
    { ...group, environment: withoutSelector, platform: 'imds', identity: 'system' },
    { ...container('azure-container-apps.yaml'), platform: 'app-service', identity: 'user' },
    { ...container('azure-container-apps.bicep'), platform: 'app-service', identity: 'user' },
    { ...container('functions/container-app.bicep'), platform: 'app-service', identity: 'user' },
    { ...webApp(), platform: 'app-service', identity: 'user' },
    { ...functionApp(), argv: dockerfile.argv, platform: 'app-service', identity: 'user' },
    { ...container('docker-compose.yaml'), platform: 'imds', identity: 'system' },
    { ...unit(), platform: 'imds', identity: 'system' },
    { ...workflow(), platform: 'github', identity: 'system' },
  ]
}

type Block = Pick<Recipe, 'file' | 'argv' | 'environment' | 'image' | 'healthcheck'>

/** The container of a manifest whose image has the agent. */
function container(file: string): Block {
  const found = find(tree(file), (record) =>
    /conjur-agent:|-with-agent:/.test(String(record['image'])),
  )
  const block = found['environmentVariables'] ?? found['env'] ?? found['environment']
  const command = list(found['command']).map(String)
  const { healthcheck } = found
  return {
    file,
    image: String(found['image']),
    argv: command[0] === 'conjur-agent' ? command.slice(1) : command,
    environment: resolved(file, pairs(joined(file, block))),
    ...(isFields(healthcheck) ? { healthcheck: list(healthcheck['test']).map(String) } : {}),
  }
}

/** Bicep's `concat(a, b)`: a list, and another that is there where a user-assigned identity is named. */
function joined(file: string, block: unknown): unknown {
  const [, first = '', second = ''] = /^\$\{concat\((\w+), (\w+)\)\}$/.exec(String(block)) ?? []
  if (first === '') return block
  const { variables } = parseBicep(deployText(file))
  const [, name, value] =
    / \? \[\] : \[\{ name: '(\w+)', value: ([\w.]+) \}\]/.exec(String(variables.get(second))) ?? []
  return [...list(variables.get(first)), { name, value: `\${${String(value)}}` }]
}

/** App Service: the app's settings, and no start command. */
function webApp(): Block {
  const file = 'app-service/web-app.bicep'
  const settings = parseBicep(deployText(file)).variables.get('settings')
  const agent = find(tree(file), (record) => String(record['image']).includes('conjur-agent:'))
  return {
    file,
    image: String(agent['image']),
    argv: [],
    environment: resolved(file, pairs(settings)),
  }
}

function functionApp(): Omit<Block, 'argv'> {
  const file = 'functions/function-app.bicep'
  const site = find(tree(file), (record) => 'appSettings' in record)
  return { file, environment: resolved(file, pairs(site['appSettings'])) }
}

/** A Dockerfile's entry point and command. */
function image(file: string): Pick<Recipe, 'file' | 'argv'> {
  const words = (instruction: string): string[] => {
    const [, line = '[]'] = new RegExp(`^${instruction} (.*)$`, 'm').exec(deployText(file)) ?? []
    return list(JSON.parse(line)).map(String)
  }
  const [program, ...argv] = [...words('ENTRYPOINT'), ...words('CMD')]
  if (program !== 'conjur-agent') throw new Error(`${file} starts ${String(program)}`)
  return { file, argv }
}

/** systemd's unit and the file with its environment. */
function unit(): Block {
  const file = 'vm/conjur-agent.service'
  const [, line = ''] = /^ExecStart=(.*)$/m.exec(deployText(file)) ?? []
  const lines = deployText('vm/agent.env').matchAll(/^(\w+)=(?:"(.*)"|(.*))$/gm)
  const environment = Object.fromEntries(
    [...lines].map(([, name = '', quoted, plain = '']) => [name, quoted ?? plain]),
  )
  return { file, argv: line.split(' ').slice(2), environment }
}

/** GitHub Actions: the step that has settings, and the last word of what it runs. */
function workflow(): Block {
  const file = 'github-actions.yaml'
  const step = find(tree(file), (record) => 'env' in record)
  const words = String(step['run']).trim().split(/\s+/)
  return {
    file,
    image: words.at(-2) ?? '',
    argv: words.slice(-1),
    environment: pairs(step['env']),
  }
}

/** A manifest as plain data. */
function tree(file: string): unknown {
  if (!file.endsWith('.bicep')) return parse(deployText(file))
  return [...parseBicep(deployText(file)).resources.values()].map(({ body }) => body)
}

type Fields = Readonly<Record<string, unknown>>

function find(node: unknown, fits: (record: Fields) => boolean): Fields {
  const queue = [node]
  for (const next of queue) {
    if (Array.isArray(next)) queue.push(...next)
    else if (isFields(next)) {
      if (fits(next)) return next
      queue.push(...Object.values(next))
    }
  }
  throw new Error('the manifest has no such part')
}

/** `{ NAME: value }`, or a list of `{ name, value }`. */
function pairs(block: unknown): Record<string, string> {
  const entries = Array.isArray(block)
    ? block.filter(isFields).map(({ name, value }) => [String(name), value] as const)
    : Object.entries(isFields(block) ? block : {})
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))
}

/** Parameters get their defaults. */
function resolved(file: string, environment: Record<string, string>): Record<string, string> {
  if (!file.endsWith('.bicep')) return environment
  const { parameters } = parseBicep(deployText(file))
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      const given = parameters.get(/^\$\{(\w+)\}$/.exec(value)?.[1] ?? '')
      return [name, typeof given === 'string' ? given : value]
    }),
  )
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function at(file: string): string {
  return join(root, 'deploy', file)
}
