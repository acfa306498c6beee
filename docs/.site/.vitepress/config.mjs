import { indexPage, navigation } from '../../../.config/navigation.ts'
import { defineConfig } from 'vitepress'

if (!indexPage().includes('# All pages')) throw new Error('the tree of pages is empty')

/** Anchors as GitHub makes them, so that one link serves both. */
const slugify = (heading) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

const sidebar = navigation().map(({ title, leaves }, index) => ({
  text: title,
  collapsed: index > 0,
  items: leaves.map(({ title: text, file }) => ({ text, link: `/${file.replace(/\.md$/, '')}` })),
}))
const more = [
  { text: 'Chart: conjur-agent', link: '/chart' },
  { text: 'Chart: conjur-agent-secrets', link: '/chart-secrets' },
  { text: 'Measurements', link: '/results' },
  { text: 'Changelog', link: '/changelog' },
  { text: 'Contributing', link: '/contributing' },
]

const ICON = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="6" cy="8" r="3.5" fill="none" stroke="#8250df" stroke-width="2"/><path d="M9.5 8H15v3" fill="none" stroke="#8250df" stroke-width="2"/></svg>')}`

export default defineConfig({
  title: 'conjur-agent',
  description: 'Gives a workload its Conjur secrets as files and keeps them fresh',
  srcDir: 'src',
  outDir: '../../site',
  lang: 'en',
  head: [['link', { rel: 'icon', href: ICON }]],
  metaChunk: true,
  // Files of the repository stand beside the pages as text.
  ignoreDeadLinks: [/^\/files\//],
  markdown: {
    anchor: { slugify },
    toc: { slugify },
    config(md) {
      const code = md.renderer.rules.code_inline
      // A template of Go in a code span is no template of Vue.
      md.renderer.rules.code_inline = (...args) => code(...args).replace('<code', '<code v-pre')
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Start', link: '/tutorial-laptop' },
      { text: 'Settings', link: '/settings' },
      { text: 'Errors', link: '/errors' },
      { text: 'All pages', link: '/pages' },
    ],
    sidebar: [...sidebar, { text: 'Project', collapsed: true, items: more }],
  },
})
