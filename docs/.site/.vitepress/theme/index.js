import DefaultTheme from 'vitepress/theme-without-fonts'
import './own.css'

export default DefaultTheme
