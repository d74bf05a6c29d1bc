import torch, threading, os
from torch.profiler import profile, ProfilerActivity as A
d=torch.device("cuda"); w=torch.ones(3,device=d); x=torch.zeros(8,8,device=d); torch.tensor([1],device=d)
def inner(q):
    return q+torch.tensor([1.,2.,3.],device=q.device)
class Sampler:
    def step(self, q, idx):
        a = torch.as_tensor(idx).to(q.device)
        b = torch.tensor([0.5]).cuda()
        c = torch.empty(4<<10).pin_memory().to(q.device, non_blocking=True)
        e = torch.empty(4<<20).to(q.device, non_blocking=True)
        q[[0,1]]
        q[0] = 5.0
        return a, b, c, e, q.sum().item()
def work():
    torch.tensor([7],device=d)
def main():
    torch.cuda._sleep(2_000_000)
    s=Sampler()
    for _ in range(2):
        inner(w)
        s.step(w.clone(), [1,2])
    t=threading.Thread(target=work); t.start(); t.join()
    torch.nn.Linear(3,3).to(d)
with profile(activities=[A.CPU,A.CUDA]) as p: inner(w)
with profile(activities=[A.CPU,A.CUDA],with_stack=True) as p: main()
p.export_chrome_trace("profile.json")
