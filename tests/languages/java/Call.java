import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.github.micro.kv.v1.GetRequest;
import io.github.micro.kv.v1.KVGrpc;
import io.github.micro.kv.v1.PutRequest;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** Does over gRPC what the examples in other languages do: a value and two errors. */
final class Call {
  private static final String KEY = "example/java";

  public static void main(String[] args) throws Exception {
    var channel = Grpc.newChannelBuilder(args[0], InsecureChannelCredentials.create()).build();
    try {
      call(KVGrpc.newBlockingStub(channel).withDeadlineAfter(20, TimeUnit.SECONDS));
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private static void call(KVGrpc.KVBlockingStub kv) throws InvalidProtocolBufferException {
    var put = PutRequest.newBuilder().setKey(KEY).setValue(ByteString.copyFromUtf8("hello, world"));
    kv.put(put.build());
    var got = kv.get(GetRequest.newBuilder().setKey(KEY).build());
    System.out.println("get: " + got.getItem().getValue().toStringUtf8());
    try {
      kv.put(put.setIfVersion(1).build());
    } catch (StatusRuntimeException e) {
      System.out.println("conflict: " + describe(e));
    }
    try {
      kv.get(GetRequest.getDefaultInstance());
    } catch (StatusRuntimeException e) {
      System.out.println("invalid: " + describe(e));
    }
  }

  private static String describe(StatusRuntimeException e) throws InvalidProtocolBufferException {
    var cause = ErrorInfo.getDefaultInstance();
    for (Any detail : StatusProto.fromThrowable(e).getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        cause = detail.unpack(ErrorInfo.class);
      }
    }
    var field = cause.containsMetadata("field") ? ", field " + cause.getMetadataOrThrow("field") : "";
    var code = e.getStatus().getCode().name().toLowerCase(Locale.ROOT);
    return String.format("%s (%s%s): %s", code, cause.getReason(), field, e.getStatus().getDescription());
  }
}
