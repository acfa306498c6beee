// Lays the repository's pages out as VitePress wants them: src/ with one flat folder of pages, pictures
// and linked files in public/. Nothing is written by hand there; it is made anew for each build.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

const root = join(import.meta.dirname, '../..')
const src = join(import.meta.dirname, 'src')

/** Path in the repository → path in the site. */
const pages = new Map([
  ['README.md', 'index.md'],
  ['docs/README.md', 'pages.md'],
  ['CHANGELOG.md', 'changelog.md'],
  ['CONTRIBUTING.md', 'contributing.md'],
  ['SECURITY.md', 'reporting.md'],
  ['bench/RESULTS.md', 'results.md'],
  ['charts/conjur-agent/README.md', 'chart.md'],
  ['charts/conjur-agent-secrets/README.md', 'chart-secrets.md'],
])
for (const name of readdirSync(join(root, 'docs'), { recursive: true })) {
  const path = `docs/${name}`
  if (name.endsWith('.md') && !name.startsWith('.') && !pages.has(path)) pages.set(path, name)
}

rmSync(src, { recursive: true, force: true })
mkdirSync(join(src, 'public'), { recursive: true })
cpSync(join(root, 'docs/pictures'), join(src, 'public/pictures'), { recursive: true, filter: (path) => !/\.(diagram|json)$/.test(path) })
for (const [path, page] of pages) {
  const file = join(src, page)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, rewritten(readFileSync(join(root, path), 'utf8'), path, page))
}

/** A page's text with its links and pictures as the site has them. Fenced blocks stay as they are. */
function rewritten(text, path, page) {
  return text
    .split(/(^\s*`{3,}[^]*?^\s*`{3,}\s*$)/m)
    .map((part, index) => (index % 2 === 1 ? part : linked(pictured(part), path, page)))
    .join('')
}

/** Both pictures, of which the theme's own is shown: a site has a switch, a `<picture>` only the system's wish. */
function pictured(text) {
  return text.replaceAll(
    /<picture>\s*<source [^>]*srcset="[^"]*?pictures\/([\w-]+)-dark\.svg">\s*<img src="[^"]*" alt="([^"]*)">\s*<\/picture>/g,
    (_, name, alt) => ['light', 'dark'].map((theme) => `<img class="only-${theme}" src="/pictures/${name}-${theme}.svg" alt="${alt}">`).join('\n'),
  )
}

function linked(text, path, page) {
  return text.replaceAll(/\]\(([^)\s]+)\)/g, (whole, target) => {
    if (/^(https?:|#)/.test(target)) return whole
    const [to, anchor] = target.split('#')
    const file = normalize(join(dirname(path), to))
    const there = pages.get(file) ?? pages.get(join(file, 'README.md'))
    if (there !== undefined) {
      const link = relative(dirname(page), there)
      return `](${link.startsWith('.') ? link : `./${link}`}${anchor === undefined ? '' : `#${anchor}`})`
    }
    const link = `](/${published(file)})`
    return isPicture(file) ? link : `${link}{target="_self"}`
  })
}

/** A file of the repository, as text beside the pages; a folder as the list of what is in it. */
function published(file) {
  const from = join(root, file)
  if (!existsSync(from)) throw new Error(`a page links to ${file}, which is not there`)
  const name = `files/${file.replace(/\/$/, '')}${isPicture(file) ? '' : '.txt'}`
  const to = join(src, 'public', name)
  mkdirSync(dirname(to), { recursive: true })
  if (statSync(from).isDirectory()) writeFileSync(to, `${readdirSync(from).toSorted().join('\n')}\n`)
  else cpSync(from, to)
  return name
}

function isPicture(file) {
  return /\.(svg|png)$/.test(file)
}
