import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'

/*
 * The tree of the pages, which lie flat in docs/. `node .config/navigation.ts` writes docs/README.md
 * from it; the site's side bar is the same tree.
 */

/** One branch of the tree: pages of one kind, by file name. */
export interface Branch {
  readonly title: string
  /** What its pages are for. */
  readonly says: string
  readonly pages: readonly string[]
}

/** A page that is there, with the title that stands on it. */
export interface Leaf {
  readonly file: string
  readonly title: string
}

const DOCS = new URL('../docs/', import.meta.url)

const tree: readonly Branch[] = [
  {
    title: 'Tutorials',
    says: 'from nothing to a secret in a file',
    pages: [
      'tutorial-laptop',
      'quickstart-kubernetes',
      'quickstart-azure-container-instances',
      'quickstart-vm',
      'quickstart-app-service',
      'container-apps',
      'exec',
      'devserver',
    ],
  },
  {
    title: 'How-to: platforms',
    says: 'which identity, and what the platform wants',
    pages: [
      'projected-tokens',
      'managed-identity',
      'workload-identity',
      'oidc',
      'gke',
      'eks',
      'openshift',
      'offline',
    ],
  },
  {
    title: 'How-to: tasks',
    says: 'one task each',
    pages: [
      'migrate',
      'migrate-authn-k8s-client',
      'templates',
      'reload',
      'kubernetes-secrets',
      'jobs',
      'rotate',
      'conjur-ca',
      'doctor',
      'debug-401',
      'monitor',
      'hibernate',
      'scale',
      'executable',
      'upgrade',
      'remove',
    ],
  },
  {
    title: 'Reference',
    says: 'held to the code by tests',
    pages: [
      'commands',
      'settings',
      'annotations',
      'identity-sources',
      'file-formats',
      'errors',
      'exit-codes',
      'log-events',
      'metrics',
      'traces',
      'chart-values',
      'supported-versions',
      'upgrade-notes',
      'releases',
    ],
  },
  {
    title: 'Explanation',
    says: 'why it is so',
    pages: [
      'how-it-works',
      'trust',
      'one-set',
      'tokens',
      'outages',
      'injector',
      'reliability',
      'security',
      'supply-chain',
      'mutation',
      'compared',
    ],
  },
]

/** The tree with the pages that are there; runbooks and decisions last. */
export function navigation(): readonly { title: string; says: string; leaves: readonly Leaf[] }[] {
  const branches = tree.map(({ title, says, pages }) => ({
    title,
    says,
    leaves: pages
      .map((page) => `${page}.md`)
      .filter((file) => existsSync(new URL(file, DOCS)))
      .map(leafOf),
  }))
  const named = new Set(tree.flatMap(({ pages }) => pages.map((page) => `${page}.md`)))
  const others = readdirSync(DOCS)
    .filter((file) => file.endsWith('.md') && file !== 'README.md' && !named.has(file))
    .toSorted()
  return [
    ...branches,
    ...(others.length === 0
      ? []
      : [{ title: 'More', says: 'pages of no other branch', leaves: others.map(leafOf) }]),
    { title: 'Runbooks', says: 'one an alert', leaves: folder('runbooks') },
    { title: 'Decisions', says: 'choices that close doors', leaves: folder('decisions') },
  ]
}

/** docs/README.md: every page once. */
export function indexPage(): string {
  const sections = navigation().map(
    ({ title, says, leaves }) =>
      `## ${title}\n\n*${says[0]?.toUpperCase()}${says.slice(1)}.*\n\n${leaves.map((leaf) => `- [${leaf.title}](${leaf.file})`).join('\n')}\n`,
  )
  return `# All pages

For whoever looks for one. Pages say \`conjur-agent\` for the program: in its image that is its name; in a clone \`npx conjur-agent\` after
\`npm run setup && npm run build\`, or \`npm link\` once, which puts it on the path. In a terminal \`conjur-agent help TOPIC\` has commands, settings and error codes. The values of the charts:
[conjur-agent](../charts/conjur-agent/README.md), [conjur-agent-secrets](../charts/conjur-agent-secrets/README.md).

${sections.join('\n')}`
}

function folder(name: string): readonly Leaf[] {
  return readdirSync(new URL(`${name}/`, DOCS))
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .toSorted()
    .map((file) => leafOf(`${name}/${file}`))
}

function leafOf(file: string): Leaf {
  const [, title = file] = /^# (.+)$/m.exec(readFileSync(new URL(file, DOCS), 'utf8')) ?? []
  return { file, title }
}

if (import.meta.main) writeFileSync(new URL('README.md', DOCS), indexPage())
