import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;

/**
 * Makes keys on a PKCS#11 token by Java's own provider, signs with them, and verifies with Java's
 * software. The argument is the provider's configuration.
 */
public final class SignOnToken {
  private static final byte[] MESSAGE = "a message".getBytes(StandardCharsets.UTF_8);

  public static void main(String[] arguments) throws Exception {
    Provider token = Security.getProvider("SunPKCS11").configure(arguments[0]);

    KeyPairGenerator ec = KeyPairGenerator.getInstance("EC", token);
    ec.initialize(new ECGenParameterSpec("secp256r1"));
    check(token, ec.generateKeyPair(), "SHA256withECDSA", "NONEwithECDSA", "SunEC");

    KeyPairGenerator rsa = KeyPairGenerator.getInstance("RSA", token);
    rsa.initialize(2048);
    check(token, rsa.generateKeyPair(), "SHA256withRSA", "SHA512withRSA", "SunRsaSign");
  }

  private static void check(
      Provider token, KeyPair pair, String algorithm, String other, String software)
      throws Exception {
    require(pair.getPrivate().getEncoded() == null, "the private key has no encoding");
    require(verifies(token, pair, algorithm, software, MESSAGE), algorithm + " verifies");
    require(!verifies(token, pair, algorithm, software, new byte[9]), "another message does not");
    require(token.getService("Signature", other) != null, other + " is offered");
    System.out.println(algorithm + " ok");
  }

  private static boolean verifies(
      Provider token, KeyPair pair, String algorithm, String software, byte[] verified)
      throws Exception {
    Signature signer = Signature.getInstance(algorithm, token);
    signer.initSign(pair.getPrivate());
    signer.update(MESSAGE);
    Signature verifier = Signature.getInstance(algorithm, software);
    verifier.initVerify(pair.getPublic());
    verifier.update(verified);
    return verifier.verify(signer.sign());
  }

  private static void require(boolean condition, String what) {
    if (!condition) {
      throw new IllegalStateException("not so: " + what);
    }
  }
}
