"""Cells with the parts of a training in torch."""

from __future__ import annotations

from .case import case, with_torch

_TORCH = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\ntorch.manual_seed(0)\n"

CASES = with_torch(
    {
        "tied weights": case(
            _TORCH
            + """
class LM(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(5, 3); self.out = nn.Linear(3, 5, bias=False); self.out.weight = self.emb.weight
    def forward(self, x): return self.out(self.emb(x))
lm = LM()
opt = torch.optim.SGD(lm.parameters(), lr=.1)
""",
            "opt.zero_grad()\nlm(torch.tensor([1, 2])).sum().backward()\nopt.step()\nlm.out.weight is lm.emb.weight, len(list(lm.parameters())), lm.emb.weight.detach(), lm.state_dict(), lm",
        ),
        "parametrizations": case(
            _TORCH
            + """
from torch.nn.utils import parametrize
class Sym(nn.Module):
    def forward(self, X): return X.triu() + X.triu(1).T
lin = nn.Linear(3, 3)
parametrize.register_parametrization(lin, 'weight', Sym())
""",
            "w = lin.weight\ntorch.equal(w, w.T), type(lin).__name__, parametrize.is_parametrized(lin), w.detach()",
        ),
        "hooks of all kinds": case(
            _TORCH
            + """
log = []
class Keep:
    def __init__(self): self.acts = {}
    def hook(self, name):
        def fn(m, i, o): self.acts[name] = o.detach()
        return fn
keep = Keep()
net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
handles = [m.register_forward_hook(keep.hook(n)) for n, m in net.named_children()]
net[0].weight.register_hook(lambda g: g * 2)
net.register_full_backward_hook(lambda m, gi, go: log.append(len(go)))
net.register_forward_pre_hook(lambda m, x: log.append('pre'))
""",
            "net(torch.ones(1, 2)).sum().backward()\nfor h in handles: h.remove()\nn = len(keep.acts)\nkeep.acts.clear()\n_ = net(torch.ones(1, 2))\nlog, n, len(keep.acts), net[0].weight.grad",
        ),
        "optimizer groups and scheduler": case(
            _TORCH
            + """
net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
opt = torch.optim.AdamW([{'params': net[0].parameters(), 'lr': .1}, {'params': net[2].parameters()}], lr=.01, weight_decay=.1)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda e: .9 ** e)
sched2 = torch.optim.lr_scheduler.OneCycleLR(torch.optim.SGD(net.parameters(), lr=.1, momentum=.9), max_lr=.2, total_steps=10)
net(torch.ones(3, 2)).sum().backward(); opt.step(); sched.step()
""",
            "for _ in range(3):\n    opt.zero_grad()\n    net(torch.ones(3, 2)).sum().backward()\n    opt.step()\n    sched.step()\nsched.optimizer is opt, sched.get_last_lr(), [g['lr'] for g in opt.param_groups], opt.param_groups[0]['params'][0] is net[0].weight, net[2].weight.detach(), opt.state_dict()['state'][0]['step'], sched2.get_last_lr()",
        ),
        "closure lbfgs": case(
            _TORCH
            + "x = torch.tensor([3.], requires_grad=True)\nopt = torch.optim.LBFGS([x])\ndef closure():\n    opt.zero_grad()\n    l = (x - 1) ** 2\n    l.backward()\n    return l",
            "for _ in range(3): opt.step(closure)\nround(x.item(), 3), x",
        ),
        "module dicts": case(
            _TORCH
            + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.acts = nn.ModuleDict({'relu': nn.ReLU(), 'lrelu': nn.LeakyReLU()})
        self.ps = nn.ParameterList([nn.Parameter(torch.ones(2)) for _ in range(2)])
        self.pd = nn.ParameterDict({'a': nn.Parameter(torch.zeros(1))})
        self.register_buffer('tmp', torch.ones(1), persistent=False)
        self.act = lambda x: x * 2
        self.cfg = {'f': torch.tanh}
    def forward(self, x, k): return self.act(self.acts[k](x * self.ps[0])) + self.pd['a'] + self.tmp
net = Net()
""",
            "net(torch.tensor([-1., 1.]), 'lrelu').detach(), sorted(net.state_dict()), [n for n, _ in net.named_buffers()], net.cfg['f'] is torch.tanh, net",
        ),
        "generator": case(
            _TORCH + "g = torch.Generator().manual_seed(5)\ntorch.rand(1, generator=g)",
            "torch.rand(3, generator=g), g.initial_seed()",
        ),
        "random split with generator": case(
            _TORCH
            + "from torch.utils.data import *\nds = TensorDataset(torch.arange(10), torch.arange(10) * 2)\ntr, va = random_split(ds, [8, 2], generator=torch.Generator().manual_seed(1))",
            "tr.indices, [tuple(x.tolist() for x in va[i]) for i in range(2)], va.dataset is tr.dataset, len(Subset(ds, [1])), [b[0].tolist() for b in DataLoader(tr, 4)]",
        ),
        "loader with a generator and samplers": case(
            _TORCH
            + """
from torch.utils.data import *
class DS(Dataset):
    def __init__(self, tf=None): self.tf = tf
    def __len__(self): return 6
    def __getitem__(self, i):
        if i >= 6: raise IndexError
        x = torch.tensor([float(i)])
        return self.tf(x) if self.tf else x
dl = DataLoader(DS(lambda x: x + 1), 2, sampler=WeightedRandomSampler([1.] * 6, 6, generator=torch.Generator().manual_seed(3)), collate_fn=lambda b: torch.stack(b).flatten())
dl2 = DataLoader(DS(), 2, shuffle=True, generator=torch.Generator().manual_seed(2))
""",
            "[b.tolist() for b in dl], [b.tolist() for b in dl2], len(dl), type(dl.dataset) is DS",
        ),
        "loader workers init": case(
            _TORCH
            + """
from torch.utils.data import *
import numpy as np
def init(i): np.random.seed(i + 7)
class It(IterableDataset):
    def __init__(self, n): self.n = n
    def __iter__(self):
        info = get_worker_info()
        k, m = (info.id, info.num_workers) if info else (0, 1)
        for i in range(k, self.n, m): yield i, np.random.randint(100)
dl = DataLoader(It(6), batch_size=None, num_workers=2, worker_init_fn=init, collate_fn=lambda x: x, persistent_workers=False)
""",
            "sorted(map(tuple, dl))",
        ),
        "decorated with no_grad": case(
            _TORCH
            + "net = nn.Linear(2, 1)\n@torch.no_grad()\ndef ev(x): return net(x)\n@torch.inference_mode()\ndef ev2(x): return net(x)",
            "ev(torch.ones(1, 2)).requires_grad, ev2(torch.ones(1, 2)).is_inference(), ev.__name__",
        ),
        "autocast": case(
            _TORCH
            + "net = nn.Linear(2, 2)\nscaler = torch.amp.GradScaler('cpu', enabled=False)\nctx = torch.autocast('cpu', dtype=torch.bfloat16)",
            "with ctx:\n    y = net(torch.ones(1, 2))\ny.dtype, scaler.is_enabled()",
        ),
        "compiled function": case(
            _TORCH + "@torch.compile(backend='eager')\ndef f(x): return x * 2 + k\nk = 3", "f(torch.ones(2))"
        ),
        "functional and vmap": case(
            _TORCH
            + "from torch.func import grad, vmap\nf = lambda x: (x ** 2).sum()\ng = grad(f)\nh = vmap(lambda a, b: a @ b)",
            "g(torch.arange(3.)), h(torch.ones(2, 3), torch.ones(2, 3))",
        ),
        "tensor subclass": case(
            _TORCH
            + """
class Meta(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        r = super().__torch_function__(func, types, args, kwargs or {})
        return r
m = torch.ones(2).as_subclass(Meta); m.tag = 'x'
p = nn.Parameter(torch.ones(2), requires_grad=False); p.note = 3
""",
            "type(m + 1).__name__, m.tag, p.note, type(p).__name__, (m * 2).sum().item(), m",
        ),
        "deepcopied ema": case(
            _TORCH
            + "import copy\nnet = nn.Linear(2, 2)\nema = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(.9))",
            "with torch.no_grad(): net.weight.add_(1)\nema.update_parameters(net)\nema.update_parameters(net)\nema.module.weight.detach(), int(ema.n_averaged)",
        ),
        "gradients and detach in values": case(
            _TORCH + "w = torch.ones(2, requires_grad=True)\n(w ** 2).sum().backward()\nleaf = w.grad",
            "w.grad is not None, w.grad, w.is_leaf",
        ),
        "distributions": case(
            _TORCH
            + "from torch.distributions import Normal, Categorical\nd = Normal(torch.zeros(2), 1.)\nc = Categorical(logits=torch.ones(3))",
            "d.log_prob(torch.zeros(2)), c.entropy()",
        ),
        "nested tensors of a dict": case(
            _TORCH + "batch = {'x': torch.ones(2, 2), 'meta': [{'id': i} for i in range(2)]}\nbatch['y'] = batch['x']",
            "batch['x'] += 1\nbatch['y'] is batch['x'], batch",
        ),
        "seeded in the cell": case(
            _TORCH + "import numpy as np, random",
            "random.seed(1); np.random.seed(1); torch.manual_seed(1)\nrandom.random(), np.random.rand(2), torch.rand(2)",
        ),
        "module subclass of sequential with getattr": case(
            _TORCH
            + """
class Wrap(nn.Module):
    def __init__(self, m):
        super().__init__(); self.m = m
    def __getattr__(self, n):
        try: return super().__getattr__(n)
        except AttributeError: return getattr(self.m, n)
    def forward(self, x): return self.m(x)
w = Wrap(nn.Linear(2, 3))
""",
            "w.out_features, w(torch.ones(1, 2)).shape, w",
        ),
        "net with init apply and device": case(
            _TORCH
            + "def init(m):\n    if isinstance(m, nn.Linear): nn.init.ones_(m.weight)\nnet = nn.Sequential(nn.Linear(2, 2)).apply(init).eval().to('cpu').double()\ndevice = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
            "net[0].weight.dtype, net.training, net[0].weight.detach(), str(device)",
        ),
        "lightning-like trainer": case(
            _TORCH
            + """
class Trainer:
    def __init__(self, model, opt, callbacks=()):
        self.model, self.opt, self.callbacks, self.history = model, opt, list(callbacks), []
    def fit(self, data, n):
        for e in range(n):
            for x, y in data:
                l = F.mse_loss(self.model(x), y); self.opt.zero_grad(); l.backward(); self.opt.step()
            self.history.append(l.item())
            for c in self.callbacks: c(self, e)
        return self
net = nn.Linear(1, 1)
best = {'loss': 1e9}
def keep(tr, e):
    if tr.history[-1] < best['loss']: best.update(loss=tr.history[-1], epoch=e, state={k: v.clone() for k, v in tr.model.state_dict().items()})
tr = Trainer(net, torch.optim.SGD(net.parameters(), .1), [keep])
xs = torch.arange(4.)[:, None] / 4
""",
            "tr.fit([(xs, xs * 2)], 5)\nbest['epoch'], best['state'], tr.history, tr.model is net",
        ),
        "default type of torch": case(
            "import torch\ntorch.set_default_dtype(torch.float64)",
            "d = torch.ones(1).dtype\ntorch.set_default_dtype(torch.float32)\nd",
        ),
        "gradients that are off": case(
            "import torch\ng = torch.set_grad_enabled(False)",
            "w = torch.ones(1, requires_grad=True) * 2\ng = torch.set_grad_enabled(True)\nw.requires_grad",
        ),
        "transformer block": case(
            _TORCH
            + """
import math
class PositionalEncoding(nn.Module):
    def __init__(self, d, n=16):
        super().__init__()
        pe = torch.zeros(n, d); pos = torch.arange(n).unsqueeze(1)
        div = torch.exp(torch.arange(0, d, 2) * (-math.log(1e4) / d))
        pe[:, 0::2] = torch.sin(pos * div); pe[:, 1::2] = torch.cos(pos * div)
        self.register_buffer('pe', pe)
    def forward(self, x): return x + self.pe[:x.size(1)]
class Block(nn.Module):
    def __init__(self, d=8):
        super().__init__()
        self.pos = PositionalEncoding(d); self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 2, 16, batch_first=True, dropout=0.), 1, enable_nested_tensor=False)
    def forward(self, x): return self.enc(self.pos(x))
net = Block()
""",
            "y = net(torch.ones(1, 4, 8))\ny.shape, y.detach().sum().round(decimals=3), net",
        ),
        "gan with two optimizers": case(
            _TORCH
            + """
G, D = nn.Linear(2, 2), nn.Linear(2, 1)
og, od = torch.optim.Adam(G.parameters(), 1e-2, betas=(.5, .999)), torch.optim.Adam(D.parameters(), 1e-2)
bce = nn.BCEWithLogitsLoss()
gen = torch.Generator().manual_seed(1)
def step(real):
    z = torch.randn(4, 2, generator=gen)
    od.zero_grad(); ld = bce(D(real), torch.ones(4, 1)) + bce(D(G(z).detach()), torch.zeros(4, 1)); ld.backward(); od.step()
    og.zero_grad(); lg = bce(D(G(z)), torch.ones(4, 1)); lg.backward(); og.step()
    return ld.item(), lg.item()
""",
            "[step(torch.ones(4, 2)) for _ in range(2)], G.weight, D.weight, og.state_dict()['param_groups'][0]['betas']",
        ),
        "grad accumulation across cells": case(
            _TORCH
            + "net = nn.Linear(2, 1)\nopt = torch.optim.SGD(net.parameters(), .1)\nnet(torch.ones(1, 2)).sum().backward()",
            "net(torch.ones(1, 2)).sum().backward()\nopt.step()\nnet.weight.grad, net",
        ),
        "sam optimizer": case(
            _TORCH
            + """
class SAM(torch.optim.Optimizer):
    def __init__(self, params, base, rho=.05, **kw):
        super().__init__(params, dict(rho=rho, **kw))
        self.base_optimizer = base(self.param_groups, **kw)
        self.param_groups = self.base_optimizer.param_groups
    @torch.no_grad()
    def first(self):
        for g in self.param_groups:
            for p in g['params']:
                if p.grad is not None: self.state[p]['old'] = p.clone(); p.add_(p.grad * g['rho'])
    @torch.no_grad()
    def step(self, closure=None):
        for g in self.param_groups:
            for p in g['params']:
                if 'old' in self.state[p]: p.copy_(self.state[p]['old'])
        self.base_optimizer.step()
net = nn.Linear(2, 1)
opt = SAM(net.parameters(), torch.optim.SGD, lr=.1, momentum=.9)
""",
            "net(torch.ones(1, 2)).sum().backward()\nopt.first()\nopt.step()\nopt.base_optimizer.param_groups is opt.param_groups, net.weight",
        ),
        "saved and loaded": case(
            _TORCH
            + "import io\nclass Net(nn.Module):\n    def __init__(self): super().__init__(); self.l = nn.Linear(1, 1)\nnet = Net()",
            "b = io.BytesIO()\ntorch.save(net, b)\nb.seek(0)\nback = torch.load(b, weights_only=False)\ntype(back) is Net, torch.equal(back.l.weight, net.l.weight), len(net.state_dict())",
        ),
    }
)
