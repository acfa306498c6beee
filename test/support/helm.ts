import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'

const run = promisify(execFile)

export const CHART = 'charts/conjur-agent'

/** The chart that fills Kubernetes Secrets. */
export const SECRETS_CHART = 'charts/conjur-agent-secrets'

/** Values that are enough to render the chart. */
export const ENOUGH = [
  'conjur.applianceUrl=https://conjur.example.com',
  'conjur.account=acme',
  'conjur.authenticator=authn-jwt/prod',
]

/** Where helm is: on the PATH, or where the end-to-end tests have put it; undefined: nowhere. */
export function findHelm(): string | undefined {
  const cache = join(homedir(), '.cache/k8s-testbed')
  const built = existsSync(cache) ? readdirSync(cache).map((name) => join(cache, name)) : []
  const folders = [...(process.env['PATH'] ?? '').split(':'), process.env['TESTBED_BIN'], ...built]
  return folders
    .map((folder) => join(folder ?? '', 'helm'))
    .find((path) => path !== 'helm' && existsSync(path))
}

/** JSON of any shape: a rendered object. */
export type Rendered = ReturnType<typeof JSON.parse>

interface RenderOptions {
  readonly chart?: string
  readonly set?: readonly string[]
  readonly files?: readonly string[]
  readonly flags?: readonly string[]
}

/** Renders a chart with `--set` values, `-f` files and further flags. Rejects with what helm says. */
export async function render(
  helm: string,
  { chart = CHART, set = ENOUGH, files = [], flags = [] }: RenderOptions,
): Promise<readonly Rendered[]> {
  const { stdout } = await run(helm, [
    'template',
    'shop',
    chart,
    '--namespace=conjur',
    ...set.flatMap((value) => ['--set', value]),
    ...files.flatMap((file) => ['-f', file]),
    ...flags,
  ])
  return parseAllDocuments(stdout)
    .map((document) => document.toJS())
    .filter((object) => object !== null)
}

/** The one rendered object of a kind. */
export function only(objects: readonly Rendered[], kind: string): Rendered {
  const found = objects.filter((object) => object.kind === kind)
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`)
  return found[0]
}
