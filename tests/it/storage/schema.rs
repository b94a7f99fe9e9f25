//! Both databases have the same tables.

use tests::TestDatabase;

#[tokio::test]
async fn both_databases_have_the_same_columns() {
    let mut columns = Vec::new();
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let db = database.connect().await;
        db.migrate().await.unwrap();
        // Once more changes nothing.
        db.migrate().await.unwrap();
        columns.push(db.columns().await.unwrap());
        db.close().await;
    }
    assert!(columns[0].len() > 100, "{:?}", columns[0]);
    assert_eq!(columns[0], columns[1]);
}
