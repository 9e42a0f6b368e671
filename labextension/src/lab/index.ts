/** The plugins for JupyterLab and Notebook 7. Each can be disabled separately. */
import '../ui/style/index.css';
import { commands } from './jobs/commands';
import { live } from './outputs/liveOutputs';
import { loadHint } from './newJob/loadHint';
import { newJob } from './newJob/plugin';
import { keeper, output } from './outputs/cellOutputs';
import { running } from './jobs/runningPanel';
import { service } from './service/plugin';
import { sidebar } from './sidebar/plugin';
import './style.css';

export default [output, keeper, service, sidebar, commands, running, newJob, live, loadHint];
