/** The plugins of JupyterLab and Notebook 7. Each can be switched off by itself. */
import '../ui/style/index.css';
import { live } from './live';
import { newJob } from './newJob/plugin';
import { keeper, output } from './outputs';
import { sidebar } from './panel';
import './style.css';

export default [output, keeper, sidebar, newJob, live];
