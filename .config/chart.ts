import { readFileSync, writeFileSync } from 'node:fs'
import { isMap, isScalar, parseDocument, type Pair } from 'yaml'

/**
 * Makes each chart's README and values.schema.json from the comments of values.yaml, which are those
 * that helm-docs knows (`# -- text`, `# @default -- text`, `# @section -- title`), and `# @schema JSON`
 * for what a default alone does not say. A key with a text is a value; one without is a group of them.
 */

/** One value of a chart. */
interface ChartValue {
  readonly path: readonly string[]
  readonly text: string
  readonly section: string
  /** What is shown as its default. */
  readonly shown: string
  readonly schema: Readonly<Record<string, unknown>>
}

/** Every value of a values.yaml, in its order. Throws where a key has neither text nor children. */
export function readValues(source: string): readonly ChartValue[] {
  const document = parseDocument(source)
  const values: ChartValue[] = []
  let section = ''
  const walk = (node: unknown, path: readonly string[]): void => {
    if (!isMap(node)) throw new Error(`${path.join('.')} has no description`)
    for (const [index, pair] of node.items.entries()) {
      const key = keyOf(pair)
      // The parser gives the comment of a map's first key to the map.
      const before = index === 0 ? (node.commentBefore ?? '') : ''
      const comment = `${path.length === 0 && index === 0 ? (document.commentBefore ?? '') : ''}\n${before}\n${commentOf(pair)}`
      const note = (tag: string): string | undefined =>
        comment
          .split('\n')
          .map((line) => line.trim())
          .findLast((line) => line.startsWith(`${tag} `))
          ?.slice(tag.length + 1)
      section = note('@section --') ?? section
      const text = note('--')
      if (text === undefined) {
        walk(pair.value, [...path, key])
        continue
      }
      const value: unknown = document.getIn([...path, key])
      const plain: unknown = isMap(pair.value) || !isScalar(pair.value) ? toJs(value) : value
      values.push({
        path: [...path, key],
        text,
        section,
        shown: note('@default --') ?? `\`${JSON.stringify(plain)}\``,
        schema: { ...schemaOf(plain), ...parseObject(note('@schema') ?? '{}') },
      })
    }
  }
  walk(document.contents, [])
  return values
}

/** A chart's README: how to install it, what it puts into a cluster, and its values. */
export function chartReadme(chart: string, values: readonly ChartValue[]): string {
  const sections = [...new Set(values.map(({ section }) => section))]
  const tables = sections.map((section) => {
    const rows = values
      .filter((value) => value.section === section)
      .map(({ path, text, shown }) => `| \`${path.join('.')}\` | ${text} | ${shown} |`)
    return `### ${section}\n\n| value | what for | default |\n|---|---|---|\n${rows.join('\n')}\n`
  })
  return `${heads[chart] ?? ''}\n## Values\n\n${tables.join('\n')}`
}

/** A closed JSON Schema: what it does not name is refused at \`helm template\`. */
export function valuesSchema(
  chart: string,
  values: readonly ChartValue[],
): Record<string, unknown> {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `Values of the ${chart} chart`,
    ...group(values, 0, { global: { type: 'object' } }),
  }
}

function group(
  values: readonly ChartValue[],
  depth: number,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  const names = [...new Set(values.map(({ path }) => path[depth] ?? ''))]
  const properties = names.map((name): [string, unknown] => {
    const inside = values.filter(({ path }) => path[depth] === name)
    const [first] = inside
    const isValue = first !== undefined && first.path.length === depth + 1
    return [name, isValue ? { description: first.text, ...first.schema } : group(inside, depth + 1)]
  })
  return {
    type: 'object',
    additionalProperties: false,
    properties: { ...Object.fromEntries(properties), ...more },
  }
}

function schemaOf(value: unknown): Record<string, unknown> {
  if (Array.isArray(value)) {
    return value.length === 0 ? { type: 'array' } : { type: 'array', items: schemaOf(value[0]) }
  }
  if (typeof value === 'number') return { type: 'integer' }
  if (typeof value === 'object' && value !== null) return { type: 'object' }
  return { type: typeof value }
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : ''
}

function commentOf(pair: Pair): string {
  return isScalar(pair.key) ? (pair.key.commentBefore ?? '') : ''
}

function toJs(node: unknown): unknown {
  return typeof node === 'object' &&
    node !== null &&
    'toJSON' in node &&
    typeof node.toJSON === 'function'
    ? node.toJSON()
    : node
}

function parseObject(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

const INJECTOR = `# conjur-agent

Gives pods their Conjur secrets as files and keeps them fresh, by one annotation.
Made by \`npm run chart\` from values.yaml.

\`\`\`sh
helm install conjur-agent charts/conjur-agent --namespace conjur-agent --create-namespace \\
  --set conjur.applianceUrl=https://conjur.example.com --set conjur.account=acme \\
  --set conjur.authenticator=authn-jwt/prod --set-file conjur.sslCertificate=conjur.pem
\`\`\`

Then in a pod template:

\`\`\`yaml
annotations:
  conjur.org/inject: "true"
  conjur.org/conjur-secrets.db: |
    - apps/web/db-password
\`\`\`

## What it puts into a cluster

| object | what for |
|---|---|
| Deployment, Service, PodDisruptionBudget | the injector: two replicas, spread softly over zones and hosts |
| MutatingWebhookConfiguration | sends pods that opt in, and no others, to it |
| ConfigMap | what the administrator decided about injected pods |
| Secret, Lease | the injector's own certificate (\`certificate.mode: self\`); made empty, filled by the injector |
| ServiceAccount, Role, ClusterRole and their bindings | below |
| Issuer, Certificate · NetworkPolicy · ServiceMonitor, PodMonitor, PrometheusRule, dashboard | where asked for |

| right | why |
|---|---|
| create events, everywhere | tells the owner of a refused pod why, and a missed pod that it was missed |
| list pods, everywhere (\`injector.audit.enabled\`) | looks for opted-in pods that run without the agent |
| get and patch its own webhook configuration (\`certificate.mode: self\`) | puts its CA there and repairs it |
| get and patch one Secret and one Lease of its namespace (\`certificate.mode: self\`) | replicas share one certificate; one of them rotates it |

It never reads other Secrets and never calls Conjur. Nothing is injected in the release's own namespace, in kube-system,
kube-public and kube-node-lease. Removing the release leaves running pods as they are.
`

const SECRETS = `# conjur-agent-secrets

Fills Kubernetes Secrets from Conjur and keeps them fresh, without touching a pod.
Made by \`npm run chart\` from values.yaml.

\`\`\`sh
helm install conjur-agent-secrets charts/conjur-agent-secrets --namespace conjur-agent --create-namespace \\
  --set conjur.applianceUrl=https://conjur.example.com --set conjur.account=acme \\
  --set conjur.authenticator=authn-jwt/prod --set-file conjur.sslCertificate=conjur.pem \\
  --set 'namespaces={shop,billing}'
\`\`\`

Then in \`shop\` a Secret that says what it wants ([docs/kubernetes-secrets.md](../../docs/kubernetes-secrets.md)):

\`\`\`yaml
metadata:
  labels: { conjur.org/managed-by-provider: "true" }
stringData:
  conjur-map: |
    password: apps/web/db-password
\`\`\`

## What it puts into a cluster

| object | what for |
|---|---|
| Deployment, PodDisruptionBudget (\`mode: standalone\`) | two replicas, spread softly over zones and hosts; one of them works |
| Job, or CronJob with \`job.schedule\` (\`mode: job\`) | one pass over the Secrets of the release's namespace |
| ServiceAccount; a Role and its binding in each namespace of \`namespaces\` and the release's | below |
| NetworkPolicy | where asked for |

| right | why |
|---|---|
| list, watch and patch Secrets, in \`namespaces\` | finds those with the label and writes the keys that they name; no rule can narrow a label down |
| get, watch and patch the Secrets of \`secretNames\` | in place of that right, where they are named |
| create events, in \`namespaces\` | tells of a Secret that cannot be filled |
| create Leases; get and patch \`conjur-agent-standalone\`, in the release's namespace (\`mode: standalone\`) | one replica at a time works |

With \`mode: job\` the release's namespace takes the place of \`namespaces\`. Nothing is granted across the cluster, and these are
the rights that \`conjur-agent rbac\` prints. Removing the release leaves the Secrets as they are.
`

/** What stands in each chart's README before its values. */
const heads: Readonly<Record<string, string>> = {
  'conjur-agent': INJECTOR,
  'conjur-agent-secrets': SECRETS,
}

/** The charts, by the names of their folders. */
export const charts: readonly string[] = Object.keys(heads)

if (process.argv[1] === import.meta.filename) {
  for (const chart of charts) {
    const folder = new URL(`../charts/${chart}/`, import.meta.url)
    const values = readValues(readFileSync(new URL('values.yaml', folder), 'utf8'))
    const schema = `${JSON.stringify(valuesSchema(chart, values), null, 2)}\n`
    writeFileSync(new URL('README.md', folder), chartReadme(chart, values))
    writeFileSync(new URL('values.schema.json', folder), schema)
  }
}
