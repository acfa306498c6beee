import { readFileSync, writeFileSync } from 'node:fs'
import { errorEntries, type ErrorEntry } from '../src/cli/error-entries.ts'
import { exitCodes } from '../src/cli/report.ts'
import { spellings } from '../src/config/help.ts'
import { referencePages } from './reference.ts'

/** Pages of docs/ that are made from the code, by file name. `node .config/docs.ts` writes them; a test compares. */
export function pages(): Readonly<Record<string, string>> {
  return { 'settings.md': settingsPage(), 'errors.md': errorsPage(), ...referencePages() }
}

function settingsPage(): string {
  const rows = spellings().map(({ name, env, annotation, row }) =>
    [
      `\`${name}\``,
      `\`${env}\``,
      annotation === undefined ? 'trust' : `\`${annotation}\``,
      row.default === undefined ? '' : `\`${row.default}\``,
      row.help.replaceAll('|', '\\|').replaceAll('<', '&lt;'),
    ].join(' | '),
  )
  return `# Settings

For whoever sets up the agent. Each setting has one name, spelt four ways: as a key of the config file, as an environment
variable, as a pod annotation, and as a flag (the name in kebab case, \`secretsRefreshInterval\` → \`--secrets-refresh-interval\`).
Flags win over annotations, those over the environment, that over the config file (\`--config FILE\` or \`CONJUR_CONFIG_FILE\`,
YAML or JSON). Where one setting comes from two places, one log line says which won.

\`trust\` in the annotation column marks what only the administrator sets: it says whom a credential is shown to, so no pod can
change it. \`<group>\` is the name of a secret group; in a variable it is upper case with \`_\` for \`-\`.

| name | environment | annotation | default | |
|---|---|---|---|---|
${rows.map((row) => `| ${row} |`).join('\n')}

## The list of a secret group

\`\`\`yaml
- apps/web/api-key                    # alias: the last part, api-key
- password: apps/web/db-password      # alias: path
- certificate: apps/web/certificate   # the value is base64 text; its bytes are delivered
  content-type: base64
- flag: apps/web/flag                 # left out where Conjur has no value
  required: false
- mode: apps/web/mode                 # this text where Conjur has no value
  default: plain
\`\`\`

## Several addresses of one Conjur

\`CONJUR_APPLIANCE_URL\` may list a leader and its followers, or several followers, with commas or white space between, each https, each with a
certificate of the same CA. So may \`CONJUR_AUTHN_URL\` (all of one authenticator) and the \`applianceUrl\` of a connection below.

\`\`\`sh
CONJUR_APPLIANCE_URL=https://follower-1.example.com,https://follower-2.example.com,https://leader.example.com
\`\`\`

The first is asked as long as it answers. The next one is asked where no connection comes about, none is trusted, the answer is cut off or late
(a share of \`CONJUR_HTTP_TIMEOUT\`, 15 s at most), or it is a 5xx. Any other answer is the answer: a 401, 403 or 404 is never asked for elsewhere.
Before another server is asked there is a pause of up to a second by chance. The agent then stays with the one that answers, and asks the first
again after five to ten minutes, by chance too, so that a server that dies or comes back does not get everyone at once. Each switch is one log line,
\`SERVER_SWITCHED\`. A refusal in a pass in which another server took over proves nothing: a value goes only when one and the same server refuses it.
\`conjur-agent doctor\` tries every address. An agent that hibernates forgets which one answered: each waking begins with the first.

## More than one Conjur

A config file may name further connections, and a group the one its values come from. A connection has from the settings at the
top whatever it does not set; its access token is never written anywhere. All groups are published as one set.

\`\`\`yaml
connections:
  old:
    applianceUrl: https://old-conjur.example.com
    certFile: /etc/conjur/old-ca.pem
groups:
  legacy:
    connection: old
    secrets:
      - key: apps/legacy/key
\`\`\`
`
}

function errorsPage(): string {
  return `# Errors

For whoever sees one. Every error is \`CODE: message\`, then \`hint: …\`; the code is stable. \`conjur-agent help CODE\` prints its entry
where there is no browser. Codes of Conjur (\`CONJ…\`) and of the incumbents (\`CAKC…\`, \`CSPFK…\`) stand under the entry for the same trouble.

## Exit codes

| code | meaning |
|---|---|
${exitCodes.map(([code, meaning]) => `| ${code} | ${meaning} |`).join('\n')}

${Object.entries(errorEntries)
  .map(([code, entry]) => errorSection(code, entry))
  .join('\n')}`
}

function errorSection(code: string, entry: ErrorEntry): string {
  return `## ${code}

${entry.means}

Usual causes, likeliest first:

${entry.causes.map(([cause, decides]) => `- ${cause} ${decides}`).join('\n')}

**Cure.** ${entry.cure}
**Cured when.** ${entry.cured}
${entry.alsoKnownAs.length === 0 ? '' : `**Also known as** ${entry.alsoKnownAs.join(', ')}\n`}`
}

if (import.meta.main) {
  const folder = new URL('../docs/', import.meta.url)
  for (const [name, text] of Object.entries(pages())) {
    const file = new URL(name, folder)
    if (readIfThere(file) !== text) writeFileSync(file, text)
  }
}

function readIfThere(file: URL): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
