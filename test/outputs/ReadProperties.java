import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Properties;

/** Prints what java.util.Properties reads: a line for each entry, key and value as hexadecimal UTF-8. */
class ReadProperties {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        try (FileInputStream stream = new FileInputStream(args[0])) {
            if (args[1].equals("stream")) properties.load(stream);
            else properties.load(new InputStreamReader(stream, StandardCharsets.UTF_8));
        }
        HexFormat hex = HexFormat.of();
        for (String key : properties.stringPropertyNames()) {
            String value = properties.getProperty(key);
            System.out.println(hex.formatHex(key.getBytes(StandardCharsets.UTF_8)) + " "
                + hex.formatHex(value.getBytes(StandardCharsets.UTF_8)));
        }
    }
}
