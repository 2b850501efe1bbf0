import { startControlPlane } from '/work/main/src/sandbox/cluster/control-plane.ts';
import { CONTROL_PLANE, ensureBinaries } from '/work/main/src/sandbox/cluster/binaries.ts';
import { markRunning } from '/work/main/src/sandbox/cluster/pods.ts';
import { spawn } from 'node:child_process';
const log=console.log;
const cp = await startControlPlane({binaries: await ensureBinaries(CONTROL_PLANE,log), log});
const k = await markRunning({kubeconfig: await cp.kubeconfigFor('system:kube-scheduler')});
const list = async () => (await cp.kubectl(['get','ns,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings','-o','name'])).stdout.split('\n').filter(l=>!/system:|kubeadm/.test(l)).join(' ');
log('before', await list());
for (const how of ['script','kill']) {
  const c = spawn(process.execPath, ['/work/main/src/sandbox/main.ts','--context','drawbridge','--yes', ...(how==='script'?['--script','--minutes','0.5']:[])], {env:{...process.env, KUBECONFIG: cp.adminKubeconfig}, stdio:['ignore','pipe','inherit']});
  let out='';
  c.stdout.on('data', d=>{out+=d; process.stdout.write(d); if (how==='kill' && /Ctrl-C/.test(String(d))) c.kill('SIGKILL');});
  const code = await new Promise(r=>c.once('close',r));
  log(how,'exit', code, new Date().toISOString());
  for (let i=0;i<30;i++){ const l=await list(); if(i%5===0||!/sandbox/.test(l)) log(new Date().toISOString(), l); if(!/sandbox/.test(l)) break; await new Promise(r=>setTimeout(r,1000)); }
}
await k.stop(); await cp.stop();
