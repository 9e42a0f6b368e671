/** The plugins of JupyterLab and Notebook 7. Each can be switched off by itself. */
import '../ui/style/index.css';
import { commands } from './commands';
import { live } from './live';
import { newJob } from './newJob/plugin';
import { keeper, output } from './outputs';
import { running } from './running';
import { service } from './service';
import { sidebar } from './sidebar/plugin';
import './style.css';

export default [output, keeper, service, sidebar, commands, running, newJob, live];
