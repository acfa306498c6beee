import { basename } from 'node:path'
import { readConfig } from '../config/load.ts'
import type { Problem } from '../config/problems.ts'
import { foreignAnnotations, groupSettings } from '../config/settings.ts'
import { knownNames } from '../config/sources.ts'
import type { KnownAnnotations } from './annotation-names.ts'
import { PREFIX } from './annotation-notes.ts'
import type { AgentInput, Findings } from './review.ts'

/** Every annotation that has a meaning, from the settings table. */
export function knownAnnotations(): KnownAnnotations {
  const own = knownNames('annotation').map((name) => name.slice(PREFIX.length))
  return {
    names: new Set([...own, ...foreignAnnotations]),
    groupFields: new Set(Object.values(groupSettings).map(({ annotation }) => annotation)),
  }
}

/** Reads what an agent would be given, as the agent itself will: its complaints now, not when it starts. */
export async function agentCheck(given: AgentInput): Promise<Findings> {
  const { mode, annotations, environment, templates } = given
  const template = `${PREFIX}${groupSettings.template.annotation}.`
  const { problems, notes } = await readConfig({
    mode,
    flags: {},
    environment,
    annotations: downwardApi(annotations),
    file: undefined,
    // What lies in the templates' volume only the agent will see: it is taken to hold what is wanting.
    templateExists: (path) => templates && !annotations.has(template + basename(path, '.tpl')),
  })
  return {
    problems: problems.map(sentence),
    warnings: notes.filter(({ level }) => level === 'warn').map(({ text }) => text),
  }
}

/** Annotations as the kubelet writes them to a file. JSON's quoting is a subset of Go's. */
function downwardApi(annotations: ReadonlyMap<string, string>): string {
  return [...annotations].map(([name, value]) => `${name}=${JSON.stringify(value)}`).join('\n')
}

function sentence({ name, what }: Problem): string {
  return `${name}: ${what}`
}
