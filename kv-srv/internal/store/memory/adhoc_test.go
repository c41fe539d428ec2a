package memory_test
import ("testing";"math/rand/v2";"time";"runtime"
"github.com/micro/platform/kv-srv/internal/store"
"github.com/micro/platform/kv-srv/internal/store/memory")
func TestAdhoc(t *testing.T){
 for _, mode := range []string{"ttl","seq","req","ns"} {
 worst, at := 0.0, 0
 for f:=1.0; f<2.05; f+=0.1 {
  n := int(60000*f)
  if mode=="ns" {n/=8}
  s:=open(t, memory.Options{MaxBytes:1<<30})
  before:=heap()
  for i:=range n { switch mode {
   case "ttl": mustPut(t,s,"ns",store.Write{Key:keyOf(rand.IntN(1e8)),Value:make([]byte,100),TTL:time.Hour})
   case "seq": mustPut(t,s,"ns",store.Write{Key:keyOf(i),Value:make([]byte,100)})
   case "req": mustPut(t,s,"ns",store.Write{Key:"a",RequestID:keyOf(i)})
   case "ns": mustPut(t,s,keyOf(i),store.Write{Key:"a"})
  }}
  g:=float64(heap()-before)/float64(n); c:=float64(s.Stats().Bytes)/float64(n)
  if r:=g/c; r>worst {worst,at=r,n; t.Log(mode,n,int(g),int(c))}
  runtime.KeepAlive(s)
 }
 t.Log(mode,"worst",worst,at)
 }
}
