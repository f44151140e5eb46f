(()=>{const on=(n,f)=>document.addEventListener(n,f),
find=e=>e.closest?.("[data-telltale-token]"),
place=d=>({url:d.telltaleUrl,token:d.telltaleToken}),
send=async(at,what,go=()=>1,left=5)=>{
let r;try{r=await fetch(at.url,{method:"POST",body:JSON.stringify({token:at.token,...what}),keepalive:true})}catch{}
if(r&&r.status!=429&&r.status<500||!--left)return!!r&&r.ok;
await new Promise(f=>setTimeout(f,1e3*(r&&r.headers.get("Retry-After")||2)));
return go()&&send(at,what,go,left)};
on("click",e=>{const b=e.target.closest?.("[data-telltale]"),r=b&&find(b);if(!r)return;
const d=r.dataset,my=r.my={},go=()=>r.my==my,show=s=>d.telltaleState=s;
r.querySelectorAll("[data-telltale]").forEach(o=>o.ariaPressed=o==b);show("sending");
r.last=Promise.resolve(r.last).then(async()=>{const ok=go()&&await send(place(d),{value:b.dataset.telltale},go);go()&&show(ok?"sent":"failed")})});
on("copy",e=>{const r=find(e.target);r&&send(place(r.dataset),{kind:"implicit",signal:"copy"})});
window.telltale=send})()
