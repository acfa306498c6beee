import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** Every page that a reader sees, by its path from the repository's root. */
export function pagePaths(): readonly string[] {
  const under = (folder: string): string[] =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !name.startsWith('.site'))
      .map((name) => join(folder, name))
  const top = readdirSync(root).filter((name) => name.endsWith('.md'))
  return [...top, ...under('docs'), ...under('deploy'), ...under('charts')].toSorted()
}

/** The text of a file of the repository. */
export function pageText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** One fenced block of a page. */
export interface Block {
  readonly page: string
  /** The line of its fence, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** What the comment before it says: `<!-- not run: why -->`. */
  readonly notRun?: string
}

/** The fenced blocks of a page, in their order. */
export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = []
  let open: { readonly line: number; readonly fence: string; readonly lines: string[] } | undefined
  let comment: string | undefined
  for (const [index, line] of pageText(page).split('\n').entries()) {
    const [, fence = '', language = ''] = /^\s*(`{3,})(\w*)/.exec(line) ?? []
    if (open === undefined && fence !== '') {
      open = { line: index + 1, fence: `${fence} ${language}`, lines: [] }
    } else if (open !== undefined && line.trim() === open.fence.split(' ')[0]) {
      const [, lang = ''] = open.fence.split(' ')
      const block = { page, line: open.line, language: lang, text: open.lines.join('\n') }
      blocks.push(comment === undefined ? block : { ...block, notRun: comment })
      open = undefined
      comment = undefined
    } else if (open === undefined) {
      const [, why] = /^<!-- not run: (.+) -->$/.exec(line) ?? []
      if (why !== undefined) comment = why
      else if (line.trim() !== '') comment = undefined
    } else {
      open.lines.push(line)
    }
  }
  if (open !== undefined) throw new Error(`${page}: the block of line ${open.line} has no end`)
  return blocks
}

/** A page without its fenced blocks and code spans, in which nothing is a link. */
export function proseOf(page: string): string {
  return pageText(page)
    .replaceAll(/^\s*(`{3,}).*\n[\s\S]*?^\s*\1\s*$/gm, '')
    .replaceAll(/`[^`\n]+`/g, (span) => span.replaceAll(/[[\]()]/g, ' '))
}

/** The anchors that a page offers, as GitHub makes them of its headings. */
export function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  const text = pageText(page).replaceAll(/^\s*(`{3,}).*\n[\s\S]*?^\s*\1\s*$/gm, '')
  for (const [, heading = ''] of text.matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
    let name = anchor
    for (let twin = 1; anchors.has(name); twin++) name = `${anchor}-${twin}`
    anchors.add(name)
  }
  return anchors
}
