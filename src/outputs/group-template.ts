import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { OutputError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { FormatEntry } from './formats.ts'
import { renderTemplate } from './gotemplate/render-template.ts'
import { TemplateError } from './gotemplate/template-error.ts'
import type { SecretGroup } from './secret-group.ts'

/** Renders a group's template. Throws an OutputError that names the place, or the alias that does not fit. */
export function renderGroup(
  group: SecretGroup,
  entries: readonly FormatEntry[],
  compatibility: 'safe' | 'secrets-provider',
): Buffer {
  const secrets = entries.map(({ alias, value }) => ({ alias, value: value.bytes() }))
  try {
    const rendered = renderTemplate(templateText(group), secrets)
    if (compatibility === 'safe' && !isUtf8(rendered)) throw noText(group, entries)
    return rendered
  } catch (error) {
    throw error instanceof TemplateError ? broken(group, error) : error
  }
}

/** What a template does wrong, seen without a value: every secret is `REDACTED`. Empty if nothing. */
export function checkTemplate(group: SecretGroup): string[] {
  const entries = group.entries.map(({ alias }) => ({ alias, value: new Secret('REDACTED') }))
  try {
    renderGroup(group, entries, 'secrets-provider')
    return []
  } catch (error) {
    if (error instanceof OutputError) return [error.message.replace(` of group ${group.name}`, '')]
    throw error
  }
}

/** The text of a group's template, read afresh where it is a file (P10). */
function templateText({ name, template }: SecretGroup): string {
  if (template === undefined) throw new Error(`group ${name} has no template`)
  if ('text' in template) return template.text
  const { file } = template
  try {
    const bytes = readFileSync(file)
    if (isUtf8(bytes)) return bytes.toString('utf8')
  } catch (error) {
    throw unreadable(name, `${file} cannot be read`, error)
  }
  throw unreadable(name, `${file} is not UTF-8 text`)
}

function unreadable(group: string, what: string, cause?: unknown): OutputError {
  return new OutputError('OUTPUT_UNFIT', `the template of group ${group}, ${what}`, {
    hint: `mount a ConfigMap with the key ${group}.tpl there, or set conjur.org/secret-file-template.${group}`,
    facts: { group },
    cause,
  })
}

function broken({ name }: SecretGroup, error: TemplateError): OutputError {
  const { line, column, message } = error
  return new OutputError(
    'OUTPUT_UNFIT',
    `the template of group ${name} fails at line ${line}, column ${column}: ${message}`,
    {
      hint: 'docs/file-formats.md lists what templates know',
      facts: { group: name, line, column },
      cause: error,
    },
  )
}

function noText({ name }: SecretGroup, entries: readonly FormatEntry[]): OutputError {
  const alias = entries.find(({ value }) => !isUtf8(value.bytes()))?.alias
  const what = alias === undefined ? 'what it renders' : `the value of ${alias}`
  return new OutputError(
    'OUTPUT_UNFIT',
    `the template of group ${name} gives no UTF-8 text: ${what} is none`,
    {
      hint: `write {{ secret "${alias ?? 'alias'}" | b64enc }}, or give the variable a group of format plain`,
      facts: { group: name, alias },
    },
  )
}
